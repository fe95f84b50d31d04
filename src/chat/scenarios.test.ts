// Runs testdata/*.txt: commands in, outcomes and events with their audiences out.
//
//     register NAME · login NAME [device=…] · logout NAME [everywhere] · reopen
//     create | join | leave | send as=NAME room=ROOM [id=N]      (send: the input is the body)
//     timeline as=NAME room=ROOM [before=N] [after=N] [limit=N]
//     rooms as=NAME [joined] · replay as=NAME
import { describe, it } from "vitest";
import { type DatadrivenCommand, listDatadriven, runDatadriven } from "../testing/index.ts";
import { isRejection } from "./rejections.ts";
import {
  type Body,
  close,
  commandId,
  createRoom,
  describeEvent,
  describeItem,
  join,
  leave,
  open,
  register,
  type Sender,
  send,
  summary,
  TestChat,
} from "./test-chat.test-support.ts";
import type { ChatOutcome } from "./types.ts";

/** Runs the commands of one file against one chat. */
class Scenario {
  readonly #test = new TestChat();
  /** The newest session of each person by name. */
  readonly #senders = new Map<string, Sender>();

  run(command: DatadrivenCommand): string {
    switch (command.name) {
      case "register":
        return this.#apply(register(flag(command)));
      case "login":
        return this.#logIn(command);
      case "logout": {
        const sender = this.#sender(flag(command));
        const everywhere = command.args.has("everywhere");
        return this.#apply(close(everywhere ? 0 : sender.sessionId), sender);
      }
      case "create":
        return this.#applyAs(command, createRoom(value(command, "room")));
      case "join":
        return this.#applyAs(command, join(this.#room(command)));
      case "leave":
        return this.#applyAs(command, leave(this.#room(command)));
      case "send":
        return this.#applyAs(command, send(this.#room(command), command.input));
      case "timeline":
        return this.#timeline(command);
      case "rooms":
        return this.#rooms(command);
      case "replay": {
        const { userId } = this.#sender(value(command, "as"));
        return this.#test.replayTo(userId).map(describeEvent).join("\n");
      }
      case "reopen":
        this.#test.reopen();
        return "ok";
      default:
        throw new Error(`unknown command ${command.name}`);
    }
  }

  #logIn(command: DatadrivenCommand): string {
    const name = flag(command);
    const userId = this.#test.chat.credentials(name)?.userId ?? 0;
    const { outcome, text } = this.#outcome(open(userId, command.args.get("device")?.[0] ?? ""));
    if (outcome.kind === "accepted" && outcome.answer.kind === "sessionOpened") {
      this.#senders.set(name, outcome.answer);
    }
    return text;
  }

  #applyAs(command: DatadrivenCommand, body: Body): string {
    const sender = this.#sender(value(command, "as"));
    const id = command.args.get("id")?.[0];
    // Ids that are given lie beside those that are made.
    const given = id === undefined ? {} : { id: commandId(1_000_000 + Number(id)) };
    return this.#apply(body, { ...sender, ...given });
  }

  #apply(body: Body, envelope = {}): string {
    return this.#outcome(body, envelope).text;
  }

  #outcome(body: Body, envelope = {}): { readonly outcome: ChatOutcome; readonly text: string } {
    const before = this.#test.live.length;
    const { outcome } = this.#test.apply(body, envelope);
    const lines = [summary(outcome)];
    if (outcome.kind === "rejected") lines.push(`  ${outcome.message}`);
    for (const { users, event } of this.#test.live.slice(before)) {
      const names = users === "everyone" ? users : users.map((id) => this.#name(id)).join(", ");
      lines.push(`  to ${names}: ${describeEvent(event)}`);
    }
    return { outcome, text: lines.join("\n") };
  }

  #timeline(command: DatadrivenCommand): string {
    const number = (name: string) => Number(command.args.get(name)?.[0] ?? 0);
    const { userId } = this.#sender(value(command, "as"));
    const page = this.#test.chat.readTimeline(userId, {
      room: { name: value(command, "room") },
      beforeNumber: number("before"),
      afterNumber: number("after"),
      limit: number("limit"),
    });
    if (isRejection(page)) return `${summary(page)}\n  ${page.message}`;
    return page.items.map(describeItem).join("\n");
  }

  #rooms(command: DatadrivenCommand): string {
    const { userId } = this.#sender(value(command, "as"));
    const joinedOnly = command.args.has("joined");
    const page = this.#test.chat.listRooms(userId, { joinedOnly, afterName: "", limit: 0 });
    return page.items
      .map((room) => {
        const owner = this.#name(room.ownerId);
        const mark = room.joined ? " *" : "";
        const count = `${room.memberCount} in it, last #${room.lastNumber}`;
        return `${room.name} of ${owner}: ${count}${mark}`;
      })
      .join("\n");
  }

  #name(userId: number): string {
    return this.#test.chat.person(userId)?.username ?? `user ${userId}`;
  }

  #sender(name: string): Sender {
    const sender = this.#senders.get(name);
    if (sender === undefined) throw new Error(`${name} has not logged in`);
    return { userId: sender.userId, sessionId: sender.sessionId };
  }

  #room(command: DatadrivenCommand): number {
    const room = this.#test.chat.findRoom(0, { name: value(command, "room") });
    return isRejection(room) ? 0 : room.roomId;
  }
}

function value(command: DatadrivenCommand, name: string): string {
  const [first] = command.args.get(name) ?? [];
  if (first === undefined) throw new Error(`${name}=… is missing`);
  return first;
}

/** The first argument without a value. */
function flag(command: DatadrivenCommand): string {
  for (const [name, values] of command.args) if (values.length === 0) return name;
  throw new Error("a name is missing");
}

describe("scenarios", () => {
  for (const file of listDatadriven(new URL("testdata/", import.meta.url))) {
    it(file.replace(/^.*\//, ""), () => {
      const scenario = new Scenario();
      runDatadriven(file, (command) => scenario.run(command));
    });
  }
});
