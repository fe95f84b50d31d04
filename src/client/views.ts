// Parts of what is drawn that are put together from several others. Pure.
import type { Timeline } from "./live-timelines.ts";
import type { PendingMessage } from "./outbox-entry.ts";
import type { TimelineView } from "./store.ts";

/** The open timelines as they are shown; what has not changed is the same object as `before`. */
export function viewTimelines(
  timelines: readonly Timeline[],
  before: ReadonlyMap<number, TimelineView>,
): ReadonlyMap<number, TimelineView> {
  const views = new Map<number, TimelineView>();
  for (const timeline of timelines) {
    const { roomId, room, hasOlder } = timeline;
    const [items, held, setAside] = [timeline.items(), timeline.held(), timeline.setAside()];
    const view = { room, items, hasOlder, held, setAside };
    const known = before.get(roomId);
    views.set(roomId, known !== undefined && isSame(known, view) ? known : view);
  }
  return views;
}

/** A person's own messages that wait, without those that a timeline shows as held. */
export function viewPending(
  pending: readonly PendingMessage[],
  timelines: readonly Timeline[],
  userId: number | undefined,
): readonly PendingMessage[] {
  if (!pending.some(({ held }) => held)) return pending;
  const shown = new Set<string>();
  for (const timeline of timelines) {
    for (const { authorId, commandId } of timeline.held()) {
      if (authorId === userId) shown.add(commandId);
    }
  }
  return pending.filter(({ held, commandId }) => !held || !shown.has(commandId));
}

function isSame(a: TimelineView, b: TimelineView): boolean {
  return (
    a.room === b.room &&
    a.items === b.items &&
    a.hasOlder === b.hasOlder &&
    a.held === b.held &&
    a.setAside === b.setAside
  );
}
