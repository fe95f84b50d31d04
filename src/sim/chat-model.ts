// An independent, simple model of chat's rules, in memory, written from src/chat/SPEC.md and not
// from the code: what every command must answer, change and tell to whom. Rule ids stand at the
// place where they are followed. No SQL, no limits but those of the rules, no speed beyond need.
import type { Accepted } from "../chat/index.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type { Command } from "../proto/gen/chat/v1/command_pb.js";
import * as forms from "./chat-model-forms.ts";
import { type Body, contentOf, decode, scopeBeforeLogIn } from "./chat-model-ids.ts";
import type {
  ModelContent,
  ModelEvent,
  ModelItem,
  ModelPerson,
  ModelResult,
  ModelRoom,
  ModelSession,
  ModelSetAside,
  ModelStay,
  Moment,
} from "./chat-model-values.ts";

// Numbers of SPEC.md, written down once more: a model that took them from the code would follow it.
const peopleMax = 100_000;
const roomsMax = 200_000;
const roomsOfPersonMax = 2_000;
const sessionsOfPersonMax = 50;
const idMemoryMs = 30 * 24 * 3_600_000;
const forgottenAtOnce = 2;

/** A command id that counts, with what it stood for (ID2, ID4) or why it was refused (ID7). */
type KnownId = Moment &
  (
    | {
        /** Hash of the content. */
        readonly content: number;
        readonly answer: Accepted;
        readonly refusal?: undefined;
      }
    | { readonly refusal: RejectionCode }
  );

/** An id that will be forgotten, when (ID6). */
interface Forgettable extends Moment {
  readonly key: string;
  readonly userId: number;
  readonly commandId: Uint8Array;
}

/** Before log-in nobody gives the command (SE8); else it is given by a person. */
interface Author extends Moment {
  readonly userId: number;
  readonly commandId: Uint8Array;
  /** Set where an island has held it: when it was accepted (IM8). */
  readonly writtenMs?: number;
}

/** What an accepted command comes to. */
interface Done {
  readonly answer: Accepted;
  readonly events: readonly ModelEvent[];
  /** It was all done by another command before (AC2). */
  readonly doneBefore?: number;
}

type Known<Case> = Extract<Body, { case: Case }>["value"];

const { INVALID_ARGUMENT, UNAUTHENTICATED, WRONG_PASSWORD, NAME_TAKEN, UNKNOWN_ROOM } =
  RejectionCode;
const maxWrittenMs = 2 ** 53 - 1;
const { UNKNOWN_PERSON, NOT_A_MEMBER, NOT_THE_OWNER, OWN_ROOM, ID_REUSED, TOO_LARGE } =
  RejectionCode;

const none: readonly ModelEvent[] = [];

/** The chat state as the rules say it must be. */
export class ChatModel {
  readonly people: ModelPerson[] = [];
  readonly rooms: ModelRoom[] = [];
  readonly stays: ModelStay[] = [];
  /** In the order of the log (IM9), by id. */
  readonly setAside = new Map<string, ModelSetAside>();
  /** Open ones, oldest first. */
  readonly sessions = new Map<number, ModelSession>();
  /** The ids of commands other than messages that are remembered (ID6), oldest first. */
  readonly remembered: Forgettable[] = [];
  /** The first InitializeCluster (AC1). */
  initialized: { readonly position: number; readonly tokenKey: Uint8Array } | undefined;
  lastSessionId = 0;
  timestampMs = 0;
  /** Hears of each item in the order of the log; the model itself keeps none. */
  readonly #onItem: (item: ModelItem) => void;
  readonly #ids = new Map<string, KnownId>();
  readonly #names = new Set<string>();

  constructor(onItem: (item: ModelItem) => void = () => {}) {
    this.#onItem = onItem;
  }

  /** An entry begins: its time counts for its commands, but never runs backwards (MS4). */
  enter(timestampMs: number): void {
    this.timestampMs = Math.max(this.timestampMs, timestampMs);
  }

  /** One command of the entry that was entered, at its position (LG4). */
  apply(encoded: Uint8Array, position: number): ModelResult {
    const command = decode(encoded);
    // LG5, ID1.
    if (command === undefined || !forms.isGoodId(command.id)) return rejected(INVALID_ARGUMENT);
    const { body } = command;
    if (body.case === undefined) return rejected(INVALID_ARGUMENT);
    if (body.case !== "mergeHeld") return this.#applyGiven(command, position);
    const { held, acceptedMs } = body.value;
    // IM8: brought into its range.
    const writtenMs = Math.min(Math.max(1, Number(acceptedMs)), maxWrittenMs);
    const { id: commandId, userId } = command;
    const { timestampMs } = this;
    if (held.case === "sendMessage") {
      const author = { userId, commandId, position, timestampMs, writtenMs };
      return this.#mergeMessage(author, held.value);
    }
    // IM4.
    if (held.case === undefined) return rejected(INVALID_ARGUMENT);
    // IM11.
    const isTooLate = timestampMs - writtenMs >= idMemoryMs;
    return this.#applyGiven({ ...command, body: held }, position, isTooLate ? "too late" : "");
  }

  /** A command as a person or a server gives it. */
  #applyGiven(command: Command, position: number, late: "too late" | "" = ""): ModelResult {
    const { body } = command;
    const isBeforeLogIn = scopeBeforeLogIn(body) !== undefined;
    // SE8.
    if (isBeforeLogIn && (command.userId !== 0 || command.sessionId !== 0)) {
      return rejected(INVALID_ARGUMENT);
    }
    const userId = scopeBeforeLogIn(body) ?? command.userId;
    const author = { userId, commandId: command.id, position, timestampMs: this.timestampMs };
    const key = keyOf(author);
    const content = contentOf(body);
    const first = this.#ids.get(key);
    // ID7, then ID2 to ID4.
    if (first !== undefined) {
      if (first.refusal !== undefined) return rejected(first.refusal);
      if (first.content !== content) return rejected(ID_REUSED);
      return accepted({ answer: first.answer, events: none, doneBefore: first.position }, position);
    }
    const aside = this.setAside.get(key);
    // IM9.
    if (aside !== undefined) return rejected(aside.content === content ? aside.code : ID_REUSED);
    // SE7.
    if (!isBeforeLogIn && this.sessions.get(command.sessionId)?.userId !== userId) {
      return rejected(UNAUTHENTICATED);
    }
    const done = late === "too late" ? INVALID_ARGUMENT : this.#do(author, body);
    if (typeof done === "number") return this.#refuse(author, done);
    if (done.doneBefore === undefined) this.#remember(author, { key, content, body, done });
    return accepted(done, position);
  }

  /** ID7. */
  #refuse(author: Author, refusal: RejectionCode): ModelResult {
    const { position, timestampMs } = author;
    const key = keyOf(author);
    this.#ids.set(key, { position, timestampMs, refusal });
    this.#forgetLater(author, key);
    return rejected(refusal);
  }

  /** IM4 to IM9. */
  #mergeMessage(author: Author, value: Known<"sendMessage">): ModelResult {
    const { userId, position } = author;
    const body = { case: "sendMessage", value } as const;
    const [key, content] = [keyOf(author), contentOf(body)];
    const first = this.setAside.get(key) ?? this.#ids.get(key);
    if (first !== undefined && !("refusal" in first && first.refusal !== undefined)) {
      if (first.content !== content) return rejected(ID_REUSED);
      return accepted({ answer: first.answer, events: none, doneBefore: first.position }, position);
    }
    if (this.people[userId - 1] === undefined) return rejected(UNKNOWN_PERSON);
    const refusal = first?.refusal;
    const room = this.rooms[value.roomId - 1];
    const bad = forms.bodyRefusal(value.body) ?? (room === undefined ? UNKNOWN_ROOM : undefined);
    if (room === undefined || bad !== undefined) {
      return refusal === undefined ? this.#refuse(author, bad!) : rejected(refusal);
    }
    const done = refusal ?? this.#sendMessage(author, value);
    if (typeof done === "number") {
      const aside = this.#addSetAside(author, room, { body: value.body, code: done, content });
      return accepted(aside, position);
    }
    this.#remember(author, { key, content, body, done });
    return accepted(done, position);
  }

  /** IM9. */
  #addSetAside(
    author: Author,
    { roomId, ownerId }: ModelRoom,
    message: Pick<ModelSetAside, "body" | "code" | "content">,
  ): Done {
    const { userId: authorId, commandId, position, writtenMs = 0 } = author;
    const answer = { kind: "setAside", roomId } as const;
    const what: ModelSetAside = {
      kind: "setAside",
      ...{ roomId, ownerId, authorId, position, answer },
      authorUsername: this.#person(authorId).username,
      commandId: commandId.slice(),
      acceptedMs: writtenMs,
      ...message,
    };
    this.setAside.set(keyOf(author), what);
    return { answer, events: [{ audience: new Set([authorId, ownerId]), what }] };
  }

  #do(author: Author, body: Body): Done | RejectionCode {
    switch (body.case) {
      case "initializeCluster":
        return this.#initializeCluster(author, body.value);
      case "registerUser":
        return this.#registerUser(author, body.value);
      case "openSession":
        return this.#openSession(author, body.value);
      case "closeSession":
        return this.#closeSession(author, body.value);
      case "createRoom":
        return this.#createRoom(author, body.value);
      case "joinRoom":
        return this.#joinRoom(author, body.value);
      case "leaveRoom":
        return this.#leaveRoom(author, body.value);
      case "sendMessage":
        return this.#sendMessage(author, body.value);
      case "mergeHeld":
      case undefined:
        return INVALID_ARGUMENT;
    }
  }

  #initializeCluster(author: Author, body: Known<"initializeCluster">): Done | RejectionCode {
    if (!forms.isGoodTokenKey(body.tokenKey)) return INVALID_ARGUMENT;
    const answer = { kind: "initialized" } as const;
    if (this.initialized !== undefined) {
      return { answer, events: none, doneBefore: this.initialized.position };
    }
    this.initialized = { position: author.position, tokenKey: body.tokenKey.slice() };
    return { answer, events: none };
  }

  #registerUser(author: Author, body: Known<"registerUser">): Done | RejectionCode {
    const isGood =
      forms.isGoodUsername(body.username) &&
      forms.isGoodLine(body.displayName) &&
      forms.isGoodPasswordHash(body.passwordHash);
    if (!isGood) return INVALID_ARGUMENT;
    const username = forms.lowerCase(body.username);
    const name = `@${username}`;
    // AC4: every person has the room of that name.
    if (this.#names.has(name)) return NAME_TAKEN;
    if (this.people.length >= peopleMax || this.rooms.length >= roomsMax) return TOO_LARGE;
    const userId = this.people.length + 1;
    this.people.push({
      userId,
      username,
      displayName: body.displayName === "" ? username : body.displayName,
      passwordHash: body.passwordHash,
      registered: momentOf(author),
      roomCount: 0,
    });
    const { roomId, event } = this.#addRoom(author, { name, ownerId: userId, personal: true });
    return { answer: { kind: "registered", userId, roomId }, events: [event] };
  }

  #openSession(author: Author, body: Known<"openSession">): Done | RejectionCode {
    if (!forms.isGoodLine(body.device)) return INVALID_ARGUMENT;
    const { userId } = body;
    const person = this.people[userId - 1];
    if (person === undefined) return UNKNOWN_PERSON;
    if (person.passwordHash !== body.passwordHash) return WRONG_PASSWORD;
    const { device, islandNonce } = body;
    // IM10.
    for (const known of islandNonce === 0n ? [] : this.sessions.values()) {
      if (known.islandNonce !== islandNonce) continue;
      if (known.userId !== userId) return INVALID_ARGUMENT;
      const { sessionId } = known;
      return { answer: { kind: "sessionOpened", sessionId, userId }, events: none };
    }
    this.lastSessionId += 1;
    const sessionId = this.lastSessionId;
    const opened = momentOf(author);
    this.sessions.set(sessionId, { sessionId, userId, device, opened, islandNonce });
    // SE4.
    const open = this.#sessionsOf(userId);
    const events = open.length > sessionsOfPersonMax ? [this.#endSession(userId, open[0]!)] : none;
    return { answer: { kind: "sessionOpened", sessionId, userId }, events };
  }

  #closeSession({ userId }: Author, { sessionId }: Known<"closeSession">): Done | RejectionCode {
    // SE6.
    const isOwn = this.sessions.get(sessionId)?.userId === userId;
    if (sessionId !== 0 && !isOwn) return INVALID_ARGUMENT;
    const ended = sessionId === 0 ? this.#sessionsOf(userId) : [sessionId];
    const events = ended.map((each) => this.#endSession(userId, each));
    return { answer: { kind: "sessionClosed" }, events };
  }

  #createRoom(author: Author, { name }: Known<"createRoom">): Done | RejectionCode {
    if (!forms.isGoodRoomName(name)) return INVALID_ARGUMENT;
    if (this.#names.has(name)) return NAME_TAKEN;
    if (this.rooms.length >= roomsMax) return TOO_LARGE;
    if (this.#person(author.userId).roomCount >= roomsOfPersonMax) return TOO_LARGE;
    const wanted = { name, ownerId: author.userId, personal: false };
    const { roomId, event } = this.#addRoom(author, wanted);
    return { answer: { kind: "roomCreated", roomId }, events: [event] };
  }

  #joinRoom(author: Author, { roomId }: Known<"joinRoom">): Done | RejectionCode {
    const room = this.rooms[roomId - 1];
    if (room === undefined) return UNKNOWN_ROOM;
    const answer = { kind: "joined", roomId } as const;
    // RM5.
    if (room.members.has(author.userId)) return { answer, events: none };
    const person = this.#person(author.userId);
    if (person.roomCount >= roomsOfPersonMax) return TOO_LARGE;
    person.roomCount += 1;
    room.members.set(author.userId, author.position);
    const what = this.#addItem(author, room, { kind: "joined" });
    return { answer, events: [{ audience: room.members, what }] };
  }

  #leaveRoom(author: Author, { roomId }: Known<"leaveRoom">): Done | RejectionCode {
    const room = this.rooms[roomId - 1];
    if (room === undefined) return UNKNOWN_ROOM;
    const { userId, position } = author;
    // RM8.
    if (room.personal && room.ownerId === userId) return OWN_ROOM;
    const joinedPosition = room.members.get(userId);
    if (joinedPosition === undefined) return NOT_A_MEMBER;
    const what = this.#addItem(author, room, { kind: "left" });
    // RM6: those who stay, and who leaves.
    const audience = room.members;
    room.members = new Map(audience);
    room.members.delete(userId);
    this.#person(userId).roomCount -= 1;
    this.stays.push({ userId, roomId, joinedPosition, leftPosition: position });
    return { answer: { kind: "left", roomId }, events: [{ audience, what }] };
  }

  #sendMessage(author: Author, { roomId, body }: Known<"sendMessage">): Done | RejectionCode {
    const refusal = forms.bodyRefusal(body);
    if (refusal !== undefined) return refusal;
    const room = this.rooms[roomId - 1];
    if (room === undefined) return UNKNOWN_ROOM;
    if (room.personal && room.ownerId !== author.userId) return NOT_THE_OWNER;
    if (!room.members.has(author.userId)) return NOT_A_MEMBER;
    const what = this.#addItem(author, room, { kind: "message", body });
    const answer = { kind: "sent", roomId, number: what.number } as const;
    return { answer, events: [{ audience: room.members, what }] };
  }

  #addRoom(
    author: Author,
    wanted: { readonly name: string; readonly ownerId: number; readonly personal: boolean },
  ): { readonly roomId: number; readonly event: ModelEvent } {
    const roomId = this.rooms.length + 1;
    const { name, ownerId, personal } = wanted;
    this.#names.add(name);
    this.#person(ownerId).roomCount += 1;
    this.rooms.push({
      roomId,
      name,
      ownerId,
      personal,
      created: momentOf(author),
      members: new Map([[ownerId, author.position]]),
      lastNumber: 0,
    });
    const what = { kind: "roomCreated", roomId, name, ownerId, personal } as const;
    return { roomId, event: { audience: "everyone", what } };
  }

  /** MS3. */
  #addItem(author: Author, room: ModelRoom, content: ModelContent): ModelItem {
    room.lastNumber += 1;
    const item: ModelItem = {
      kind: "item",
      roomId: room.roomId,
      number: room.lastNumber,
      position: author.position,
      timestampMs: author.timestampMs,
      authorId: author.userId,
      authorUsername: this.#person(author.userId).username,
      commandId: author.commandId,
      content,
      writtenMs: author.writtenMs ?? 0,
    };
    this.#onItem(item);
    return item;
  }

  #sessionsOf(userId: number): number[] {
    const own: number[] = [];
    for (const session of this.sessions.values()) {
      if (session.userId === userId) own.push(session.sessionId);
    }
    return own;
  }

  /** SE5. */
  #endSession(userId: number, sessionId: number): ModelEvent {
    this.sessions.delete(sessionId);
    return { audience: new Set([userId]), what: { kind: "sessionEnded", sessionId } };
  }

  #remember(
    author: Author,
    command: {
      readonly key: string;
      readonly content: number;
      readonly body: Body;
      readonly done: Done;
    },
  ): void {
    const { position, timestampMs } = author;
    const { key, content, body, done } = command;
    this.#ids.set(key, { content, position, timestampMs, answer: done.answer });
    if (body.case !== "sendMessage") this.#forgetLater(author, key);
  }

  #forgetLater({ position, timestampMs, userId, commandId }: Author, key: string): void {
    this.remembered.push({ key, userId, commandId: commandId.slice(), position, timestampMs });
    // ID6.
    for (let count = 0; count < forgottenAtOnce; count++) {
      const oldest = this.remembered[0]!;
      if (oldest.timestampMs >= timestampMs - idMemoryMs) return;
      this.remembered.shift();
      this.#ids.delete(oldest.key);
    }
  }

  #person(userId: number): ModelPerson {
    const person = this.people[userId - 1];
    if (person === undefined) throw new Error(`the model knows no person ${userId}`);
    return person;
  }
}

/** ID1. */
function keyOf({ userId, commandId }: Pick<Author, "userId" | "commandId">): string {
  return `${userId} ${Buffer.from(commandId).toString("latin1")}`;
}

function momentOf({ position, timestampMs }: Moment): Moment {
  return { position, timestampMs };
}

function rejected(code: RejectionCode): ModelResult {
  return { outcome: { kind: "rejected", code }, events: none };
}

function accepted({ answer, events, doneBefore }: Done, position: number): ModelResult {
  const repeated = doneBefore !== undefined;
  return {
    outcome: { kind: "accepted", answer, position: doneBefore ?? position, repeated },
    events,
  };
}
