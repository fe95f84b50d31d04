// What a recovery comes to, as text for somebody who has to decide at night: what is there, what is
// given up, and, as honestly as one disk can know, what may be missing. Pure.
import type { Recovery } from "../server/index.ts";
import { printable } from "./item-text.ts";
import { formatTime } from "./report-text.ts";

/** All that there is to say of one. */
export function describeRecovery(recovery: Recovery): string {
  const parts = [
    factsText(recovery),
    findingsText(recovery),
    missingText(recovery),
    presentText(recovery),
    endText(recovery),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function factsText(recovery: Recovery): string {
  const { clusterName, clusterId, appliedIndex, lastIndex, tail, counts, givenUp } = recovery;
  const held = recovery.heldItems === 0 ? "" : `, since ${formatTime(recovery.heldSinceMs)}`;
  const lines: [string, string][] = [
    ["folder", recovery.folder],
    ["server", `${recovery.serverId}${recovery.isVoter ? "" : ", without a vote"}`],
    ["cluster", `${printable(clusterName)} (${clusterId})`],
    ["log", `ends with entry ${lastIndex} of term ${recovery.lastTerm}`],
    ["committed", `for sure up to entry ${appliedIndex}`],
    [
      "tail",
      `${tail.entries} entries after that: ` +
        `${tail.commands} commands, ${tail.messages} new messages`,
    ],
    ["island", `${recovery.heldItems} items held without a majority${held}`],
    ["in all", `${counts.people} people, ${counts.rooms} rooms, ${counts.messages} messages`],
    ["last write", formatTime(recovery.lastStampMs)],
    [
      "given up",
      givenUp.map(({ replicaId, peerAddress }) => `${replicaId} (${peerAddress})`).join(", ") ||
        "nobody",
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(12)}${value}`).join("\n");
}

function findingsText({ findings, lostFrom }: Recovery): string {
  if (findings.length === 0) return "";
  const lost = lostFrom === 0 ? [] : [`Entries from ${lostFrom} on are lost, if there were any.`];
  return ["Damaged:", ...findings.map((finding) => `- ${finding}`), ...lost].join("\n");
}

function missingText(recovery: Recovery): string {
  const { isVoter, isBehind, lastIndex, lastStampMs, isAlone } = recovery;
  if (isAlone) return "";
  const last = `entry ${lastIndex} (${formatTime(lastStampMs)})`;
  const paragraphs = [
    `What may be missing: whatever the others wrote after ${last}.`,
    "- With `acks: live` (the default) everything that was acknowledged while this server was",
    "  counted live is here: if it ran and was connected when the last of the others died, nothing",
    "  that was acknowledged is missing.",
    "- If it was down, hung or cut off before, what was acknowledged from then on is missing. The",
    "  folder cannot tell which it was: compare the time above with the time at which the others",
    "  died, and look at the servers' logs.",
    "- With `acks: majority` what was acknowledged last may be missing in any case.",
  ];
  if (!isVoter) {
    paragraphs.push("- It had no vote: no write has waited for it unless it was counted live.");
  }
  if (isBehind) {
    paragraphs.push("- It was still fetching what it lacked of the log: much may be missing.");
  }
  return paragraphs.join("\n");
}

function presentText({ present, clusterId }: Recovery): string {
  if (present.length === 0) return "No other server of this cluster answers at its address.";
  const lines = present.map((server) => {
    const other = server.clusterId === clusterId ? "" : `, for cluster ${server.clusterId}`;
    return `- server ${server.replicaId} at ${server.address}${other}`;
  });
  return ["Warning: these answer, so the cluster is not lost:", ...lines].join("\n");
}

function endText({ isAlone, newClusterId, clusterName, folder, serverId }: Recovery): string {
  if (isAlone) {
    return `Server ${serverId} has the only vote and is whole: nothing to do, just start it.`;
  }
  if (newClusterId === "") {
    return "Nothing was changed. With --yes in place of --dry-run this server goes on alone.";
  }
  return `\
Done: server ${serverId} alone is now the cluster ${printable(clusterName)} (${newClusterId}).

Next:
  holdfast serve --data ${folder} …   with its settings as before
  holdfast member add --data ${folder} …   for each new server, with a new data folder
Never start the others with their old folders again. What only they have:
  holdfast import-lost <their folder> --data ${folder} …`;
}
