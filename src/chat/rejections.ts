// Every refusal of the chat floor: its code and its sentence, which says what was wrong and what
// would be right. Sentences never repeat unchecked input: it may be long or hold control
// characters.
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import {
  bodyBytesMax,
  commandIdBytes,
  deviceCharactersMax,
  displayNameCharactersMax,
  itemsPerRoomMax,
  passwordCharactersMax,
  passwordCharactersMin,
  patternCharactersMax,
  roomNameCharactersMax,
  roomsMax,
  roomsPerUserMax,
  tokenKeyBytes,
  usernameCharactersMax,
  usersMax,
} from "./limits.ts";
import type { Rejection } from "./types.ts";

/** Whether a value is a refusal; for answers of the form `T | Rejection`. */
export function isRejection(value: unknown): value is Rejection {
  return (
    typeof value === "object" && value !== null && "kind" in value && value.kind === "rejected"
  );
}

function rejection(code: RejectionCode, message: string): Rejection {
  return { kind: "rejected", code, message };
}

const {
  INVALID_ARGUMENT,
  UNAUTHENTICATED,
  WRONG_PASSWORD,
  NAME_TAKEN,
  UNKNOWN_ROOM,
  UNKNOWN_PERSON,
  NOT_A_MEMBER,
  NOT_THE_OWNER,
  OWN_ROOM,
  ID_REUSED,
  TOO_LARGE,
  NEEDS_MAJORITY,
} = RejectionCode;

/** The refusals that always read the same. */
export const refused = {
  // ---- The form of a command or question ----
  badCommand: rejection(
    INVALID_ARGUMENT,
    "These bytes are not a command; send one encoded as chat.v1.Command.",
  ),
  noCommandBody: rejection(INVALID_ARGUMENT, "The command asks for nothing that is known here."),
  badCommandId: rejection(
    INVALID_ARGUMENT,
    `A command id has exactly ${commandIdBytes} bytes, such as a UUID in binary form.`,
  ),
  idReused: rejection(
    ID_REUSED,
    "This command id was used before for something else; make a new id for each new command.",
  ),
  badTokenKey: rejection(INVALID_ARGUMENT, `The token key has exactly ${tokenKeyBytes} bytes.`),
  badUsername: rejection(
    INVALID_ARGUMENT,
    `A username has 1 to ${usernameCharactersMax} of the characters a–z, 0–9, ".", "_" and "-", ` +
      "and begins with a letter or digit.",
  ),
  badRoomName: rejection(
    INVALID_ARGUMENT,
    `A room name has 1 to ${roomNameCharactersMax} of the characters a–z, 0–9, ".", "_" and "-", ` +
      "and begins with a letter or digit.",
  ),
  badDisplayName: rejection(
    INVALID_ARGUMENT,
    `A display name has at most ${displayNameCharactersMax} characters and no control characters.`,
  ),
  badDevice: rejection(
    INVALID_ARGUMENT,
    `A device name has at most ${deviceCharactersMax} characters and no control characters.`,
  ),
  badPassword: rejection(
    INVALID_ARGUMENT,
    `A password has ${passwordCharactersMin} to ${passwordCharactersMax} characters.`,
  ),
  badPasswordHash: rejection(
    INVALID_ARGUMENT,
    "The password hash is not an argon2id hash in PHC form.",
  ),
  emptyBody: rejection(INVALID_ARGUMENT, "The message is empty; write at least one character."),
  badBody: rejection(
    INVALID_ARGUMENT,
    "The message holds characters that are not allowed: of the control characters only newline " +
      "and tab are, and the text must be valid Unicode.",
  ),
  bodyTooLarge: rejection(
    TOO_LARGE,
    `The message is longer than ${bodyBytesMax} bytes of UTF-8; send it in parts.`,
  ),
  badPattern: rejection(
    INVALID_ARGUMENT,
    `A pattern has at most ${patternCharactersMax} characters and no control characters; ` +
      "* stands for any run of characters, ? for one.",
  ),
  badRoomRef: rejection(INVALID_ARGUMENT, "Name a room, by its id or by its name."),
  badNumber: rejection(INVALID_ARGUMENT, "Item numbers are whole and not negative."),
  twoDirections: rejection(
    INVALID_ARGUMENT,
    "Give either before_number or after_number, not both.",
  ),
  badPageLimit: rejection(INVALID_ARGUMENT, "A page limit is a whole number and not negative."),

  // ---- Who one is ----
  notBeforeLogIn: rejection(
    INVALID_ARGUMENT,
    "This is done before log-in: user_id and session_id must be 0.",
  ),
  sessionEnded: rejection(
    UNAUTHENTICATED,
    "There is no open session behind this; it may have been ended. Log in again.",
  ),
  notYourSession: rejection(INVALID_ARGUMENT, "This is not one of your open sessions."),
  passwordChanged: rejection(
    WRONG_PASSWORD,
    "The password was changed in the meantime; log in with the new one.",
  ),
  unknownPerson: rejection(UNKNOWN_PERSON, "There is no such person."),

  // ---- Rooms ----
  unknownRoom: rejection(UNKNOWN_ROOM, "There is no such room; list the rooms to see which exist."),
  notAMember: rejection(NOT_A_MEMBER, "You are not in this room; join it first."),
  notTheOwner: rejection(
    NOT_THE_OWNER,
    "Only its owner writes in a personal room; write in your own or in a group room.",
  ),
  ownRoom: rejection(OWN_ROOM, "This is your own room; one cannot leave it."),

  // ---- Islands ----
  needsMajority: rejection(
    NEEDS_MAJORITY,
    "This needs a majority of servers; only messages are accepted until then. Try again later.",
  ),
  noIslandNonce: rejection(
    INVALID_ARGUMENT,
    "A log-in on an island carries a number of its own, which is not 0.",
  ),
  nothingHeld: rejection(INVALID_ARGUMENT, "A held message or log-in is to be merged, not this."),
  islandLogInTaken: rejection(
    INVALID_ARGUMENT,
    "Another person's log-in has this island number; log in again.",
  ),
  heldTooLong: rejection(
    INVALID_ARGUMENT,
    "This log-in was held for so long that it does not count any more; log in again.",
  ),

  // ---- Full ----
  tooManyUsers: rejection(TOO_LARGE, `This cluster holds at most ${usersMax} people and is full.`),
  tooManyRooms: rejection(TOO_LARGE, `This cluster holds at most ${roomsMax} rooms and is full.`),
  inTooManyRooms: rejection(
    TOO_LARGE,
    `One may be in at most ${roomsPerUserMax} rooms; leave one first.`,
  ),
  roomFull: rejection(TOO_LARGE, `This room has all the ${itemsPerRoomMax} items it can number.`),
} as const satisfies Record<string, Rejection>;

/**
 * In island mode, of a refusal that hangs on a state which may be behind: another server may know
 * better, and what was sent there under the id before may have been accepted.
 */
export function undecided(refusal: Rejection): Rejection {
  return rejection(
    NEEDS_MAJORITY,
    `As far as is known here: ${refusal.message} Only a majority of servers can say for sure; ` +
      "send the same again when there is one.",
  );
}

/** Why a held message was set aside: what is told of a stored code, to its author and others. */
export function setAsideReason(code: RejectionCode): string {
  const reason = setAsideReasons.get(code) ?? "its command id had been refused before";
  return `When the majority of servers came to this message, ${reason}.`;
}

const setAsideReasons: ReadonlyMap<RejectionCode, string> = new Map([
  [NOT_A_MEMBER, "its author was not in the room"],
  [NOT_THE_OWNER, "its author was not the owner of the room, who alone writes in it"],
  [TOO_LARGE, "the room was full"],
]);

/** What a retry of a message that was set aside is answered. */
export function wasSetAside(code: RejectionCode): Rejection {
  return rejection(
    code,
    `This message was set aside. ${setAsideReason(code)} It is kept for you and for the room's ` +
      "owner; to have it in a room, write it again as a new message.",
  );
}

/** A name that somebody else has; `name` must have passed the check of its form. */
export function nameTaken(name: string): Rejection {
  return rejection(NAME_TAKEN, `The name "${name}" is taken; choose another one.`);
}

/** A page that is asked too large. */
export function pageTooLarge(limitMax: number): Rejection {
  return rejection(
    TOO_LARGE,
    `A page has at most ${limitMax} items; ask for the next page after it.`,
  );
}
