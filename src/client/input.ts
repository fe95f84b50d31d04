// What callers hand in, checked only so far that one bad value can never spoil a frame that carries
// others' requests, or come back for ever from the outbox. Whether a name or a body is allowed is
// the servers' to say.
import { encodeUtf8 } from "../base/bytes.ts";
import { RejectedError, type RejectionCodeName } from "./errors.ts";
import { bodyBytesMax, textUnitsMax } from "./limits.ts";
import type { RoomName } from "./types.ts";

/** What is wrong with a message's body; undefined when nothing is. */
export function faultOfBody(body: string): RejectedError | undefined {
  if (typeof body !== "string" || body === "")
    return fault("INVALID_ARGUMENT", "A message needs a text.");
  if (!body.isWellFormed()) return fault("INVALID_ARGUMENT", "The text has half a surrogate pair.");
  // Three bytes a unit is the most that UTF-8 takes: most texts need no counting.
  if (body.length * 3 <= bodyBytesMax || encodeUtf8(body).length <= bodyBytesMax) return undefined;
  return fault("TOO_LARGE", `A message has at most ${bodyBytesMax} bytes.`);
}

/** What is wrong with the name of a room; undefined when nothing is. */
export function faultOfRoom(room: RoomName): RejectedError | undefined {
  if (typeof room === "string")
    return room === "" ? fault("INVALID_ARGUMENT", "A room needs a name.") : faultOfText(room);
  const fits = Number.isInteger(room) && room > 0 && room <= 0xffff_ffff;
  return fits ? undefined : fault("INVALID_ARGUMENT", `${room} is no room's id.`);
}

/** What is wrong with any other text; undefined when nothing is. */
export function faultOfText(text: string): RejectedError | undefined {
  if (text.length > textUnitsMax) return fault("TOO_LARGE", `At most ${textUnitsMax} characters.`);
  return text.isWellFormed()
    ? undefined
    : fault("INVALID_ARGUMENT", "The text has half a surrogate pair.");
}

/** What is wrong with a number that has to fit 32 bits; undefined when nothing is. */
export function faultOfNumber(number: number): RejectedError | undefined {
  const fits = Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff;
  return fits ? undefined : fault("INVALID_ARGUMENT", `${number} is no whole number from 0 on.`);
}

/** Throws the first fault there is. */
export function refuse(...faults: readonly (RejectedError | undefined)[]): void {
  const first = faults.find((one) => one !== undefined);
  if (first !== undefined) throw first;
}

function fault(code: RejectionCodeName, message: string): RejectedError {
  return new RejectedError({ code, message });
}
