// How a line of a room reads in a terminal. Pure. Lets no control character through, whatever a
// server sends.
import type { Item, Room } from "../client/index.ts";

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

/** One item; a body of several lines goes on below itself, indented. */
export function formatItem(item: Pick<Item, "timestampMs" | "authorUsername" | "content">): string {
  const time = clockTime(item.timestampMs);
  const author = printable(item.authorUsername);
  switch (item.content.kind) {
    case "message": {
      const body = printable(item.content.body).replaceAll("\n", "\n        ");
      return `[${time}] ${author}: ${body}`;
    }
    case "joined":
      return `[${time}] * ${author} has joined`;
    case "left":
      return `[${time}] * ${author} has left`;
  }
}

/** One item as a JSON line for programs. */
export function itemJson(item: Item, roomName: string): string {
  const { content, ...rest } = item;
  const flat = content.kind === "message" ? { kind: "message", body: content.body } : content;
  return JSON.stringify({ room: roomName, ...rest, ...flat });
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
