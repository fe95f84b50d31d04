// The form of names, bodies, ids, patterns and page limits. Gateways call these before anything
// enters the log, and `apply` calls the same again: what passed once passes everywhere. Pure; knows
// no state (see access.ts for rights).
import {
  bodyBytesMax,
  commandIdBytes,
  deviceCharactersMax,
  displayNameCharactersMax,
  passwordCharactersMax,
  passwordCharactersMin,
  passwordHashCharactersMax,
  patternCharactersMax,
  roomNameCharactersMax,
  usernameCharactersMax,
} from "./limits.ts";
import { pageTooLarge, refused } from "./rejections.ts";
import type { Rejection } from "./types.ts";

// Written without the flag `i`, under which some non-ASCII letters would count as ASCII ones
// (U+212A as k).
const anyCaseName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const lowerCaseName = /^[a-z0-9][a-z0-9._-]*$/;
// C0, DEL and C1.
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;
// The same without newline and tab.
const controlCharacterInBody = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const argon2idPhc = /^\$argon2id\$[!-~]+$/;

/** The username as it is stored, lower case, from one given in any case. */
export function parseUsername(text: string): string | Rejection {
  if (text.length > usernameCharactersMax || !anyCaseName.test(text)) return refused.badUsername;
  return toLowerAscii(text);
}

/**
 * A name in lower case, whatever else it may be. Letters beyond ASCII are left alone: some of them
 * would turn into ASCII ones, and what does so may change with the Unicode version.
 */
export function toLowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** The name of a group room; must be in lower case already. */
export function checkRoomName(name: string): Rejection | undefined {
  const good = name.length <= roomNameCharactersMax && lowerCaseName.test(name);
  return good ? undefined : refused.badRoomName;
}

/** A display name; may be empty. */
export function checkDisplayName(name: string): Rejection | undefined {
  return isLine(name, displayNameCharactersMax) ? undefined : refused.badDisplayName;
}

/** What a person calls a log-in; may be empty. */
export function checkDevice(device: string): Rejection | undefined {
  return isLine(device, deviceCharactersMax) ? undefined : refused.badDevice;
}

/** A password, before it is hashed. Any characters but unpaired surrogates, which have no UTF-8. */
export function checkPassword(password: string): Rejection | undefined {
  const good =
    password.isWellFormed() &&
    hasCodePointsAtMost(password, passwordCharactersMax) &&
    !hasCodePointsAtMost(password, passwordCharactersMin - 1);
  return good ? undefined : refused.badPassword;
}

/**
 * A hash of a password. Strict, so that no bug elsewhere can put a password itself into the log.
 */
export function checkPasswordHash(hash: string): Rejection | undefined {
  const good = hash.length <= passwordHashCharactersMax && argon2idPhc.test(hash);
  return good ? undefined : refused.badPasswordHash;
}

/** What a person writes. */
export function checkBody(body: string): Rejection | undefined {
  if (body.length === 0) return refused.emptyBody;
  if (isLongerThanBytes(body, bodyBytesMax)) return refused.bodyTooLarge;
  if (controlCharacterInBody.test(body) || !body.isWellFormed()) return refused.badBody;
  return undefined;
}

/** A command id. */
export function checkCommandId(id: Uint8Array): Rejection | undefined {
  return id.length === commandIdBytes ? undefined : refused.badCommandId;
}

/** A pattern with wildcards, for `listPeople`; empty stands for everyone. */
export function checkPattern(pattern: string): Rejection | undefined {
  return isLine(pattern, patternCharactersMax) ? undefined : refused.badPattern;
}

/** The page size that is meant by a requested one: 0 stands for the default. */
export function pageLimit(
  requested: number,
  page: { readonly default: number; readonly max: number },
): number | Rejection {
  if (!Number.isSafeInteger(requested) || requested < 0) return refused.badPageLimit;
  if (requested > page.max) return pageTooLarge(page.max);
  return requested === 0 ? page.default : requested;
}

/** One line of text: no control characters, no unpaired surrogates, at most so many code points. */
function isLine(text: string, codePointsMax: number): boolean {
  return (
    hasCodePointsAtMost(text, codePointsMax) && !controlCharacter.test(text) && text.isWellFormed()
  );
}

/** Looks at no more than twice the bound, however long the text. */
function hasCodePointsAtMost(text: string, max: number): boolean {
  if (text.length <= max) return true;
  if (text.length > 2 * max) return false;
  let count = 0;
  for (const _ of text) count += 1;
  return count <= max;
}

/** Whether a text takes more bytes in UTF-8; an unpaired surrogate counts as three. */
function isLongerThanBytes(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  if (text.length > bytesMax) return true;
  let bytes = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    bytes += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x1_0000 ? 3 : 4;
  }
  return bytes > bytesMax;
}
