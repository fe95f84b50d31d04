// How a line of a room reads in a terminal. Pure. Lets no control character through, whatever a
// server sends.
import type { HeldMessage, Item, Room, SetAsideMessage } from "../client/index.ts";

/** Text without anything that could move the cursor, change colours or reverse the line. */
export function printable(text: string): string {
  return text
    .replaceAll("\t", "    ")
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "�");
}

/** Hours and minutes where the reader is. */
export function clockTime(timestampMs: number): string {
  const date = new Date(timestampMs);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/**
 * One item, with the time at which it was written; a body of several lines goes on below itself,
 * indented.
 */
export function formatItem(
  item: Pick<Item, "timestampMs" | "writtenMs" | "authorUsername" | "content">,
): string {
  const time = clockTime(item.writtenMs ?? item.timestampMs);
  const author = printable(item.authorUsername);
  switch (item.content.kind) {
    case "message":
      return `[${time}] ${author}: ${bodyText(item.content.body)}`;
    case "joined":
      return `[${time}] * ${author} has joined`;
    case "left":
      return `[${time}] * ${author} has left`;
  }
}

/** One message that an island holds. */
export function formatHeld(
  held: Pick<HeldMessage, "timestampMs" | "authorUsername" | "body">,
): string {
  const author = printable(held.authorUsername);
  return `[${clockTime(held.timestampMs)}] ${author}: ${bodyText(held.body)} (held)`;
}

/** One message that could not be merged, and why. */
export function formatSetAside(
  message: Pick<SetAsideMessage, "acceptedMs" | "authorUsername" | "body" | "reason">,
): string {
  const author = printable(message.authorUsername);
  const line = `[${clockTime(message.acceptedMs)}] ${author}: ${bodyText(message.body)}`;
  return `${line} (set aside)\n-- ${printable(message.reason)}`;
}

function bodyText(body: string): string {
  return printable(body).replaceAll("\n", "\n        ");
}

/** One item as a JSON line for programs. */
export function itemJson(item: Item, roomName: string): string {
  const { content, ...rest } = item;
  const flat = content.kind === "message" ? { kind: "message", body: content.body } : content;
  return JSON.stringify({ room: roomName, ...rest, ...flat });
}

/** One held message as a JSON line for programs. */
export function heldJson({ hybridTime, ...message }: HeldMessage, roomName: string): string {
  return JSON.stringify({ room: roomName, kind: "held", ...message });
}

/** One message that was set aside as a JSON line for programs. */
export function setAsideJson(message: SetAsideMessage, roomName: string): string {
  return JSON.stringify({ room: roomName, kind: "setAside", ...message });
}

/** One room for a list: a mark when one is in it, its name, what it is. */
export function roomCells(room: Room): string[] {
  return [
    room.joined ? "*" : "",
    printable(room.name),
    room.kind,
    String(room.memberCount),
    String(room.lastNumber),
  ];
}
