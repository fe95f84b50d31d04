// The forms of names, bodies and ids as src/chat/SPEC.md says them, written from there and not from
// the code: for the model in chat-model.ts. Knows no state.
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";

// Numbers of SPEC.md, written down once more: a model that took them from the code would follow it.
const usernameMax = 32;
const roomNameMax = 64;
const lineMax = 64;
const bodyBytesMax = 16_384;
const idBytes = 16;
const tokenKeyBytes = 32;

const { INVALID_ARGUMENT, TOO_LARGE } = RejectionCode;

const nameCharacter = /^[a-z0-9._-]$/;
const nameStart = /^[a-z0-9]$/;

/** ID1. */
export function isGoodId(id: Uint8Array): boolean {
  return id.length === idBytes;
}

/** AC1. */
export function isGoodTokenKey(key: Uint8Array): boolean {
  return key.length === tokenKeyBytes;
}

/** ASCII letters as small ones, all else as it is (AC3). */
export function lowerCase(text: string): string {
  let lower = "";
  for (const character of text) {
    lower += character >= "A" && character <= "Z" ? character.toLowerCase() : character;
  }
  return lower;
}

/** AC3, RM2: the form that usernames, in lower case, and room names share. */
function isName(text: string, max: number): boolean {
  const characters = [...text];
  if (characters.length < 1 || characters.length > max) return false;
  return nameStart.test(characters[0]!) && characters.every((each) => nameCharacter.test(each));
}

/** AC3; in any case. */
export function isGoodUsername(username: string): boolean {
  return isName(lowerCase(username), usernameMax);
}

/** RM2. */
export function isGoodRoomName(name: string): boolean {
  return isName(name, roomNameMax);
}

/** AC5, SE3: display names and devices. */
export function isGoodLine(text: string): boolean {
  const characters = [...text];
  return characters.length <= lineMax && characters.every((each) => !isControl(each));
}

/** AC6. */
export function isGoodPasswordHash(hash: string): boolean {
  return hash.startsWith("$argon2id$") && hash.length > "$argon2id$".length;
}

/** MS5: why a body is refused, undefined where it is not. */
export function bodyRefusal(body: string): RejectionCode | undefined {
  if (body === "") return INVALID_ARGUMENT;
  if (Buffer.byteLength(body) > bodyBytesMax) return TOO_LARGE;
  for (const character of body) {
    if (isControl(character) && character !== "\n" && character !== "\t") return INVALID_ARGUMENT;
  }
  return undefined;
}

/** C0, DEL and C1; unpaired surrogates count as such, having no place in a text either. */
function isControl(character: string): boolean {
  const code = character.codePointAt(0)!;
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0xd800 && code <= 0xdfff);
}
