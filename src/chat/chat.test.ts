// The state machine as a whole: entries, transactions, repetition of ids, and bytes of any kind.
import { describe, expect, it } from "vitest";
import type { Database } from "../io/database.ts";
import { openChat } from "./chat.ts";
import { SchemaTooNewError, schemaVersion } from "./schema.ts";
import {
  close,
  commandId,
  createRoom,
  describeItem,
  dumpTables,
  encodeCommand,
  join,
  leave,
  memoryDatabase,
  merge,
  open,
  passwordHash,
  register,
  send,
  summary,
  TestChat,
} from "./test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("entries", () => {
  it("LG1 an entry out of order throws and leaves no trace", () => {
    const test = TestChat.with("ada");
    const before = test.dump();
    const index = test.chat.appliedIndex();
    for (const wrong of [index, index + 2, 0]) {
      const entry = { index: wrong, timestampMs: 5_000, commands: [] };
      expect(() => test.chat.apply([entry])).toThrow(`where ${index + 1} is due`);
    }
    expect(test.dump()).toBe(before);
    expect(test.chat.appliedIndex()).toBe(index);
  });

  it("LG1 entries without commands move the applied index", () => {
    const test = new TestChat();
    expect(test.chat.appliedIndex()).toBe(0);
    expect(test.chat.apply([])).toEqual([]);
    expect(
      test.applyEntries([1, 2].map((index) => ({ index, timestampMs: 0, commands: [] }))),
    ).toEqual([]);
    expect(test.chat.appliedIndex()).toBe(2);
    test.reopen();
    expect(test.chat.appliedIndex()).toBe(2);
  });

  it("LG2 a throw in the middle of a call rolls back the tables and what is held in memory", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    const before = test.dump();
    const index = test.chat.appliedIndex();
    const commands = [
      encodeCommand(register("eve"), { id: test.newId() }),
      encodeCommand(join(3), { id: test.newId(), ...bob }),
      encodeCommand(send(3, "lost"), { id: test.newId(), ...bob }),
    ];
    const good = { index: index + 1, timestampMs: 9_000, commands };
    expect(() => test.chat.apply([good, { ...good, index: index + 7 }])).toThrow();
    expect(test.dump()).toBe(before);
    expect(test.chat.appliedIndex()).toBe(index);
    expect(test.chat.person(3)).toBeUndefined();
    expect(test.chat.findRoom(2, { roomId: 3 })).toMatchObject({ joined: false, lastNumber: 0 });
    // The same entry is applied well afterwards.
    expect(test.applyEntries([good]).map(({ outcome }) => summary(outcome))).toEqual([
      "accepted",
      "accepted",
      "accepted",
    ]);
    expect(test.timeline(2, 3).map(describeItem)).toEqual([
      "room 3 #1 bob joined",
      'room 3 #2 bob: "lost"',
    ]);
  });

  it("LG4 positions are index × 4096 + ordinal, in the outcome and in the events", () => {
    const test = TestChat.with("ada");
    const index = test.chat.appliedIndex() + 1;
    const results = test.applyBytes(
      encodeCommand(send(1, "a"), { id: test.newId(), ...ada }),
      encodeCommand(send(1, ""), { id: test.newId(), ...ada }),
      encodeCommand(send(1, "c"), { id: test.newId(), ...ada }),
    );
    expect(results.map(({ position }) => position)).toEqual([0, 1, 2].map((i) => index * 4096 + i));
    expect(results.map(({ outcome }) => summary(outcome))).toEqual([
      "accepted",
      "INVALID_ARGUMENT",
      "accepted",
    ]);
    const last = results[2]!;
    expect(last.outcome).toMatchObject({ position: last.position });
    expect(last.events.map(({ event }) => Number(event.position))).toEqual([last.position]);
  });

  it("LG4 more commands than an entry can hold throw", () => {
    const test = new TestChat();
    const commands = Array.from({ length: 4097 }, () => new Uint8Array());
    expect(() => test.applyBytes(...commands)).toThrow("too many");
  });
});

describe("LG5 bytes of any kind", () => {
  const whole = encodeCommand(send(1, "hello"), { id: commandId(900), ...ada });
  const badUtf8 = whole.slice();
  badUtf8[badUtf8.length - 1] = 0xff;
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["noise", Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256)],
    ["a text", new TextEncoder().encode("INSERT INTO users")],
    ["half a command", whole.subarray(0, whole.length - 3)],
    ["a body that is no UTF-8", badUtf8],
    ["no body", encodeCommand({ case: undefined }, { id: commandId(901), ...ada })],
    ["an id of 15 bytes", encodeCommand(send(1, "x"), { ...ada, id: new Uint8Array(15) })],
    ["no id", encodeCommand(send(1, "x"), { ...ada, id: new Uint8Array() })],
  ];
  for (const [what, bytes] of cases) {
    it(`${what}: refused with INVALID_ARGUMENT, nothing changed`, () => {
      const test = TestChat.with("ada");
      const [result] = test.applyBytes(bytes);
      expect(summary(result!.outcome)).toBe("INVALID_ARGUMENT");
      expect(result!.events).toEqual([]);
      expect(test.timeline(1, 1)).toEqual([]);
    });
  }

  it("every prefix of a command and every single changed byte comes to an outcome", () => {
    const test = TestChat.with("ada");
    const broken: Uint8Array[] = [];
    for (let length = 0; length < whole.length; length++) broken.push(whole.subarray(0, length));
    for (let at = 0; at < whole.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const changed = whole.slice();
        changed[at] = changed[at]! ^ flip;
        broken.push(changed);
      }
    }
    const results = test.applyBytes(...broken);
    expect(results).toHaveLength(broken.length);
    const kinds = new Set(results.map(({ outcome }) => outcome.kind));
    expect([...kinds].sort()).toEqual(["accepted", "rejected"]);
  });
});

describe("repetition", () => {
  it("ID2 the same id with the same content answers what the first did, without events", () => {
    const test = TestChat.with("ada", "bob");
    const cases = [
      { body: register("eve"), envelope: {} },
      { body: open(2, "phone"), envelope: {} },
      { body: createRoom("ops"), envelope: ada },
      { body: join(1), envelope: bob },
      { body: send(1, "hello"), envelope: ada },
      { body: leave(1), envelope: bob },
      { body: close(2), envelope: bob },
    ];
    const firsts = cases.map(({ body, envelope }) => {
      const id = test.newId();
      return { body, envelope: { ...envelope, id }, first: test.accept(body, { ...envelope, id }) };
    });
    const before = test.dump().replace(/-- cluster\n.*\n/, "");
    for (const { body, envelope, first } of firsts) {
      const again = test.apply(body, envelope);
      expect(again.outcome).toEqual({ ...first.outcome, repeated: true });
      expect(again.events).toEqual([]);
    }
    expect(test.dump().replace(/-- cluster\n.*\n/, "")).toBe(before);
  });

  it("ID2 a repetition within the same entry counts as one", () => {
    const test = TestChat.with("ada");
    const bytes = encodeCommand(send(1, "once"), { id: test.newId(), ...ada });
    const results = test.applyBytes(bytes, bytes);
    expect(results.map(({ outcome }) => summary(outcome))).toEqual(["accepted", "repeated"]);
    expect(results.map(({ outcome }) => outcome)[1]).toMatchObject({
      position: results[0]!.position,
      answer: { kind: "sent", roomId: 1, number: 1 },
    });
    expect(test.timeline(1, 1)).toHaveLength(1);
  });

  it("ID3 a message is answered as the first after its author has left and logged out", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(join(3), bob);
    const id = test.newId();
    const first = test.accept(send(3, "hello"), { ...bob, id });
    test.accept(leave(3), bob);
    expect(test.apply(send(3, "hello"), { ...bob, id }).outcome).toEqual({
      ...first.outcome,
      repeated: true,
    });
    test.accept(close(0), bob);
    expect(summary(test.apply(send(3, "hello"), { ...bob, id }).outcome)).toBe("repeated");
    expect(summary(test.apply(send(3, "hello"), bob).outcome)).toBe("UNAUTHENTICATED");
  });

  it("ID3 a log-out tried again through the session it ended is answered as the first", () => {
    const test = TestChat.with("ada");
    const id = test.newId();
    test.accept(close(1), { ...ada, id });
    expect(summary(test.apply(close(1), { ...ada, id }).outcome)).toBe("repeated");
  });

  it("ID3, ID4 a message tried again through another session is the same message", () => {
    const test = TestChat.with("ada");
    const id = test.newId();
    test.accept(send(1, "hello"), { ...ada, id });
    test.accept(open(1, "other"));
    const again = test.apply(send(1, "hello"), { userId: 1, sessionId: 2, id });
    expect(summary(again.outcome)).toBe("repeated");
  });

  it("ID4 the same id with another content or for another command is refused", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    const message = test.newId();
    test.accept(send(3, "hello"), { ...ada, id: message });
    const room = test.newId();
    test.accept(createRoom("dev"), { ...ada, id: room });
    const before = test.dump().replace(/-- cluster\n.*\n/, "");
    const others = [
      { id: message, bodies: [send(3, "hello!"), send(4, "hello"), createRoom("hello"), leave(3)] },
      { id: room, bodies: [createRoom("dev2"), send(3, "dev"), join(4), close(0)] },
    ];
    for (const { id, bodies } of others) {
      for (const body of bodies) {
        expect(summary(test.apply(body, { ...ada, id }).outcome)).toBe("ID_REUSED");
      }
    }
    expect(test.dump().replace(/-- cluster\n.*\n/, "")).toBe(before);
  });

  it("ID4 a log-in or registration tried again with a new salt is the same one", () => {
    const test = TestChat.with("ada");
    const other = `${passwordHash}2`;
    const registration = test.newId();
    test.accept(register("Bob", "B"), { id: registration });
    const again = test.apply(register("bob", "B", other), { id: registration });
    expect(again.outcome).toMatchObject({ repeated: true, answer: { userId: 2 } });
    const elsewhere = test.apply(register("bob", "Bobby"), { id: registration });
    expect(summary(elsewhere.outcome)).toBe("ID_REUSED");
    const logIn = test.newId();
    test.accept(open(1, "laptop"), { id: logIn });
    expect(summary(test.apply(open(1, "laptop", other), { id: logIn }).outcome)).toBe("repeated");
    expect(summary(test.apply(open(1, "phone"), { id: logIn }).outcome)).toBe("ID_REUSED");
  });

  it("ID1 ids of different people, and of people and the cluster, do not meet", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    expect(summary(test.apply(send(1, "a"), { ...ada, id }).outcome)).toBe("accepted");
    expect(summary(test.apply(send(2, "b"), { ...bob, id }).outcome)).toBe("accepted");
    expect(summary(test.apply(register("eve"), { id }).outcome)).toBe("accepted");
    // The log-in counts among the ids of the person, where this one has been a message.
    expect(summary(test.apply(open(1), { id }).outcome)).toBe("ID_REUSED");
    expect(summary(test.apply(open(3), { id }).outcome)).toBe("accepted");
  });

  it("ID7 a refusal is final: the same id gets it again when nothing stands against it", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    const id = test.newId();
    const refusal = test.apply(send(3, "hello"), { ...bob, id }).outcome;
    expect(summary(refusal)).toBe("NOT_A_MEMBER");
    test.accept(join(3), bob);
    expect(test.apply(send(3, "hello"), { ...bob, id }).outcome).toEqual(refusal);
    expect(summary(test.apply(send(3, "hello"), bob).outcome)).toBe("accepted");
    const name = test.newId();
    expect(summary(test.apply(createRoom("ops"), { ...bob, id: name }).outcome)).toBe("NAME_TAKEN");
    expect(summary(test.apply(createRoom("op2"), { ...bob, id: name }).outcome)).toBe("NAME_TAKEN");
  });

  it("ID5 an ended session spends no id", () => {
    const test = TestChat.with("ada");
    const id = test.newId();
    const ended = { userId: ada.userId, sessionId: 99, id };
    expect(summary(test.apply(send(1, "hello"), ended).outcome)).toBe("UNAUTHENTICATED");
    expect(summary(test.apply(send(1, "hello"), { ...ada, id }).outcome)).toBe("accepted");
  });
});

describe("ID6 forgetting", () => {
  const dayMs = 24 * 3_600_000;

  it("an id is remembered for 30 days of cluster time, then forgotten by what comes later", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    test.accept(join(1), { ...bob, id });
    const joinedMs = test.nowMs;
    test.nowMs = joinedMs + 30 * dayMs - 1;
    // In one entry, so at one time: forgets all that is older than the join, which is then the next
    // to go.
    const joins = Array.from({ length: 5 }, () =>
      encodeCommand(join(1), { id: test.newId(), ...ada }),
    );
    test.applyBytes(...joins);
    expect(test.nowMs).toBe(joinedMs + 30 * dayMs);
    expect(summary(test.apply(join(1), { ...bob, id }).outcome)).toBe("repeated");
    test.accept(join(1), ada);
    // A member joins again: accepted, and new.
    expect(summary(test.apply(join(1), { ...bob, id }).outcome)).toBe("accepted");
    expect(test.timeline(1, 1).map(describeItem)).toEqual(["room 1 #1 bob joined"]);
  });

  it("an id that was forgotten may join again with a new item", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    test.accept(join(1), { ...bob, id });
    test.accept(leave(1), bob);
    test.nowMs += 31 * dayMs;
    for (let i = 0; i < 10; i++) test.accept(join(1), ada);
    expect(summary(test.apply(join(1), { ...bob, id }).outcome)).toBe("accepted");
    expect(test.timeline(1, 1)).toHaveLength(3);
  });

  it("the table of ids holds no more than the last 30 days", () => {
    const test = TestChat.with("ada");
    const count = () =>
      Number(
        test.database.prepare("SELECT count(*) AS n FROM commands ORDER BY 1 LIMIT 1").get()?.["n"],
      );
    for (let day = 0; day < 40; day++) {
      test.nowMs += dayMs;
      test.accept(join(1), ada);
    }
    expect(count()).toBeLessThanOrEqual(31);
  });

  it("the id of a message is remembered for as long as the message", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    test.accept(send(1, "hello"), { ...ada, id });
    test.nowMs += 1_000 * dayMs;
    for (let i = 0; i < 20; i++) test.accept(join(1), ada);
    expect(summary(test.apply(send(1, "hello"), { ...ada, id }).outcome)).toBe("repeated");
  });
});

describe("the tables", () => {
  it("are made once and opened again as they are", () => {
    const test = TestChat.with("ada");
    const before = test.dump();
    test.reopen();
    test.reopen();
    expect(test.dump()).toBe(before);
  });

  it("of version 1 are brought up to date with all that is in them", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    test.accept(send(1, "hello"), { ...ada, id });
    const before = test.dump();
    test.database.exec(`
      DROP INDEX sessions_by_island_nonce;
      ALTER TABLE sessions DROP COLUMN island_nonce;
      ALTER TABLE timeline_items DROP COLUMN written_ms;
      DROP TABLE set_aside;
      PRAGMA user_version = 1`);
    test.reopen();
    expect(test.dump()).toBe(before);
    expect(summary(test.apply(merge(send(1, "hello")), { ...ada, id }).outcome)).toBe("repeated");
    test.accept(merge(send(1, "held"), 777), ada);
    expect(test.timeline(1, 1).map(describeItem)).toEqual([
      'room 1 #1 ada: "hello"',
      'room 1 #2 ada: "held" (written at 777)',
    ]);
  });

  it("of a newer build are refused with both versions in the sentence", () => {
    const database = memoryDatabase();
    openChat(database);
    database.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
    expect(() => openChat(database)).toThrow(SchemaTooNewError);
    expect(() => openChat(database)).toThrow(`has schema version ${schemaVersion + 1}`);
  });

  it("are left empty by a migration that fails half-way", () => {
    const database = memoryDatabase();
    const failing: Database = {
      prepare: (sql) => database.prepare(sql),
      exec: (sql) => {
        database.exec(sql);
        if (sql.includes("CREATE TABLE")) throw new Error("the disk is full");
      },
      transaction: (body) => database.transaction(body),
      close: () => database.close(),
    };
    expect(() => openChat(failing)).toThrow("the disk is full");
    openChat(database);
    expect(dumpTables(database)).toContain('"applied_index":0');
  });
});
