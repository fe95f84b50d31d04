// What a client was told to be held comes into its room, once, or is set aside, and never both; a
// message is shown as held or as set aside only to who may see it, and only as it was sent (product
// rows R8, S7; SPEC.md IM6 to IM9, IM13). That a message stands in its room once, with its text, is
// exactly-once.ts's matter.
import type {
  HeldReceiptRecord,
  HeldShownRecord,
  HistoryChecker,
  SetAsideRecord,
} from "../../history.ts";
import { type HistoryModel, modelOf, type Violate, violationOf } from "./history-model.ts";
import { commandIdOf, describeItem, describeOperation, inMs } from "./operations.ts";

const name = "held";
const violate: Violate = violationOf(name);

/** Whether a message may be lost, since every disk that held it was destroyed. */
export type MayBeMissing = (authorId: number, commandId: string) => boolean;

/** Held messages. Where disks are destroyed, `mayBeMissing` says which may be lost by that. */
export function createHeld(mayBeMissing: MayBeMissing = () => false): HistoryChecker {
  return {
    name,
    check(history) {
      const model = modelOf(history);
      const setAside = new Set<string>();
      for (const record of history) {
        if (record.kind === "setAside") setAside.add(record.commandId);
        if (record.kind === "heldShown") checkHeldShown(model, record);
        else if (record.kind === "setAside") checkSetAside(model, record);
      }
      for (const record of history) {
        if (record.kind !== "heldReceipt" || setAside.has(record.commandId)) continue;
        checkReceipt(model, record, mayBeMissing);
      }
    },
  };
}

/** Held messages, where no disk is destroyed. */
export const held: HistoryChecker = createHeld();

function checkReceipt(
  model: HistoryModel,
  { client, atNs, commandId, disks }: HeldReceiptRecord,
  mayBeMissing: MayBeMissing,
): void {
  const command = model.commands.get(commandId);
  const what = () => `${commandId} was told to ${client} at ${inMs(atNs)} to be held`;
  if (command === undefined) violate(`${what()}, and nobody has sent it`);
  if (disks < 1) violate(`${what()} on ${disks} disks`);
  const userId = model.userIdOf(client);
  if (command.item !== undefined || userId === undefined) return;
  if (mayBeMissing(userId, commandId) || mayBeSetAside(model, commandId, userId)) return;
  violate(
    `${what()} on ${disks} disks, and is on no server in the end: ` +
      command.operations.map(describeOperation).join(", "),
  );
}

/**
 * Its author may have been away when it was set aside: who was not always in the room, or was told
 * a refusal under its id, has no better word here. held-survives.ts looks into the tables.
 */
function mayBeSetAside(model: HistoryModel, commandId: string, userId: number): boolean {
  const operations = model.commands.get(commandId)?.operations ?? [];
  return operations.some((operation) => {
    if (operation.result === "refused") return true;
    const room = model.room(operation.arguments["room"] as string | number);
    return room === undefined || room.membership.leavesAfter(userId, 0).length > 0;
  });
}

function checkHeldShown(model: HistoryModel, record: HeldShownRecord): void {
  const what = () => describeShown(record, "as held");
  checkAsSent(model, record, what);
  const room = model.rooms.get(record.roomId);
  if (room?.membership.isMemberSometimeAfter(record.userId, 0)) return;
  violate(`${what()}, and was never in that room`);
}

function checkSetAside(model: HistoryModel, record: SetAsideRecord): void {
  const what = () => describeShown(record, "as set aside");
  checkAsSent(model, record, what);
  const item = model.commands.get(record.commandId)?.item;
  if (item !== undefined) violate(`${what()}, which is in its room, too: ${describeItem(item)}`);
  const ownerId = model.rooms.get(record.roomId)?.timeline.ownerId;
  if (record.userId === record.authorId || record.userId === ownerId) return;
  violate(`${what()}, and is neither its author nor the owner of the room, person ${ownerId}`);
}

function checkAsSent(
  model: HistoryModel,
  { commandId, roomId, authorId, body }: HeldShownRecord | SetAsideRecord,
  what: () => string,
): void {
  // Also under an id that was used before: an island may not know that (SPEC.md IM2).
  const isSent = model.operations.some((operation) => {
    const { client, arguments: asked } = operation;
    if (commandIdOf(operation) !== commandId || asked["body"] !== body) return false;
    const isRoom = model.room(asked["room"] as string | number)?.roomId === roomId;
    return isRoom && model.userIdOf(client) === authorId;
  });
  if (!isSent) violate(`${what()}, which person ${authorId} has not sent so`);
}

function describeShown(
  { client, userId, atNs, commandId, roomId }: HeldShownRecord | SetAsideRecord,
  how: string,
): string {
  const what = `${commandId} of room ${roomId} ${how}`;
  return `${client}, person ${userId}, was shown ${what} at ${inMs(atNs)}`;
}
