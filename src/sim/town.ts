// What the people of a workload know of each other: who there is, which rooms, who believes to be
// in which. Only a belief: it makes most of what they try sensible, and nothing is judged by it.
import type { Random } from "../base/random.ts";
import type { Room, RoomName } from "../client/index.ts";

/** Someone in the town. */
export class TownPerson {
  readonly username: string;
  readonly password: string;
  /** As the cluster told; undefined before the first log-in. */
  userId: number | undefined;
  /** Whether there is an account, as far as is known. */
  isRegistered = false;
  /** Ids of the rooms that the person was in when it was heard last. */
  readonly roomIds = new Set<number>();

  constructor(username: string) {
    this.username = username;
    this.password = `password of ${username}`;
  }

  /** The name of the person's own room. */
  get ownRoom(): string {
    return `@${this.username}`;
  }
}

/** People and rooms. */
export class Town {
  readonly #prefix: string;
  readonly #groupRooms: readonly string[];
  readonly people: readonly TownPerson[];
  /** Ids by name, of the rooms that were heard of. */
  readonly #roomIds = new Map<string, number>();
  #extraAccounts = 0;

  constructor(options: {
    readonly name: string;
    readonly people: number;
    readonly rooms: number;
  }) {
    const { name, people, rooms } = options;
    this.#prefix = name;
    this.people = Array.from({ length: people }, (_, i) => new TownPerson(`${name}p${i + 1}`));
    this.#groupRooms = Array.from({ length: rooms }, (_, i) => `${name}room${i + 1}`);
  }

  /** Accounts that were made besides those of the people. */
  get extraAccounts(): number {
    return this.#extraAccounts;
  }

  /** A username that nobody has. */
  newUsername(): string {
    this.#extraAccounts++;
    return `${this.#prefix}extra${this.#extraAccounts}`;
  }

  /** A room was seen. */
  learn(room: Room): void {
    this.#roomIds.set(room.name, room.roomId);
  }

  /** The id of a room that was named; undefined where that is not known. */
  idOf(room: RoomName): number | undefined {
    return typeof room === "number" ? room : this.#roomIds.get(room);
  }

  drawPerson(random: Random): TownPerson {
    return this.people[random.nextInteger(0, this.people.length)] as TownPerson;
  }

  /** The name of a group room, which may exist already. */
  drawGroupRoomName(random: Random): string {
    return this.#groupRooms[random.nextInteger(0, this.#groupRooms.length)] as string;
  }

  /** A room that may exist: a group room or somebody's own, by name or by id. */
  drawRoom(random: Random): RoomName {
    const name = random.nextBoolean(0.7)
      ? this.drawGroupRoomName(random)
      : this.drawPerson(random).ownRoom;
    return this.#nameOrId(random, name);
  }

  /** A group room that the person believes to be in, or the person's own. */
  drawOwnWritable(random: Random, person: TownPerson): RoomName {
    if (random.nextBoolean(0.25)) return this.#nameOrId(random, person.ownRoom);
    const joined = this.#groupRooms.filter((name) => this.#isIn(person, name));
    const name = joined[random.nextInteger(0, joined.length)] ?? person.ownRoom;
    return this.#nameOrId(random, name);
  }

  /** Any room that the person believes to be in. */
  drawJoined(random: Random, person: TownPerson): RoomName {
    const names = [...this.#roomIds.keys()].filter((name) => this.#isIn(person, name));
    const name = names[random.nextInteger(0, names.length)] ?? person.ownRoom;
    return this.#nameOrId(random, name);
  }

  /** A room that there is not. */
  drawUnknownRoom(random: Random): RoomName {
    return random.nextBoolean(0.5) ? `${this.#prefix}nowhere` : 4_000_000_000;
  }

  #isIn(person: TownPerson, name: string): boolean {
    const roomId = this.#roomIds.get(name);
    return roomId !== undefined && person.roomIds.has(roomId);
  }

  #nameOrId(random: Random, name: string): RoomName {
    return random.nextBoolean(0.5) ? name : (this.#roomIds.get(name) ?? name);
  }
}
