// The feed and posts, as DAIRA's handlers feed.get (latest) and post.create make them.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createClient } from "redis";
import { mint, mintedAt } from "./snowflakes.mjs";
import { transact, wakeRelay } from "./transactions.mjs";

const { REDIS_URL, TOKEN_KEY } = process.env;

const DEFAULT_LIMIT = 20;
const INBOX_LIFETIME_S = 3_600;
const LARGEST_ID = 2n ** 63n - 1n;
const LONGEST_TEXT = 5_000;
const MARKS = 2; // entries of a feed that are not posts
const MOST_REFILLS = 5;
const SIGNATURE_BYTES = 12;

const ADDRESS = /(?<![\w.-])(?:\w{1,20}:\/\/|www\.|(?:[\w-]+\.)+[\w-]+[/?])\S*/gi;
const HASHTAG = /(?<![\p{L}\p{M}\p{N}_#＃&])[#＃]([\p{L}\p{M}\p{N}_\u200c\u200d]+)/gu;
const MENTION = /(?<![\p{L}\p{M}\p{N}_@.])@([A-Za-z0-9_.]+)(?![\p{L}\p{M}\p{N}_@])/gu;

const redis = createClient({ url: REDIS_URL });
await redis.connect();

export const getFeed = {
  schema: {
    type: "object",
    properties: {
      mode: { const: "latest" },
      cursor: { type: "string", minLength: 1, maxLength: 512 },
      limit: { type: "integer", minimum: 1, maximum: 100 },
    },
    required: ["mode"],
    additionalProperties: false,
  },
  handle: (socket, { cursor, limit = DEFAULT_LIMIT }) => {
    const viewerId = socket.data.userId;
    let before = cursor === undefined ? LARGEST_ID : openCursor(viewerId, cursor);
    return transact("feed.get", viewerId, async (loadLatest) => {
      const stored = await readFeed(viewerId);
      const items = [];
      for (let refill = 0; refill < MOST_REFILLS; refill += 1) {
        const older = stored.filter((id) => id < before).slice(0, limit);
        const rows = await loadLatest(older.map(String), String(before), limit);
        for (const row of rows) {
          const reason = row.id !== null && feedReason(row, viewerId);
          if (!reason) continue;
          items.push({ post: present(row), reason });
          if (items.length === limit) return { items, next_cursor: sealCursor(viewerId, row.id) };
        }
        if (Number(rows[0].candidates) < limit) return { items, next_cursor: null };
        before = BigInt(rows[0].oldest);
      }
      return { items, next_cursor: sealCursor(viewerId, String(before)) };
    });
  },
};

export const createPost = {
  schema: {
    type: "object",
    properties: {
      text: { type: "string", minLength: 1, maxLength: LONGEST_TEXT },
      visibility: { enum: ["public", "followers", "private"] },
      reply_policy: { enum: ["everyone", "followers", "mentioned", "nobody"] },
    },
    required: ["text"],
    additionalProperties: false,
  },
  handle: async (socket, { text, visibility = "public", reply_policy = "everyone" }) => {
    const viewerId = socket.data.userId;
    const cleaned = text.normalize("NFC").trim();
    const plain = cleaned.replace(ADDRESS, " ");
    const mentioned = unique(plain.matchAll(MENTION), (name) => name.toLowerCase());
    const hashtags = unique(plain.matchAll(HASHTAG), (tag) => tag.normalize("NFKC").toLowerCase());
    const created = await transact("post.create", viewerId, async (idsOf, insert, addEvent, load) => {
      const mentionIds = (await idsOf(mentioned)).map((row) => row.id);
      if (mentionIds.length) throw new Error("mentions take a statement that was not recorded");
      const id = mint();
      await insert(id, viewerId, cleaned, visibility, null, reply_policy, hashtags, mentionIds);
      await addEvent(mint(), "post.created", viewerId, Buffer.from(`{"v":1,"post_id":${id},"author_id":${viewerId}}`));
      const [row] = await load([id]);
      if (!maySee(row, viewerId)) throw new Error("the author cannot see the post");
      return present(row);
    });
    wakeRelay();
    return created;
  },
};

// Returns the post ids of the stored feed, newest first.
async function readFeed(viewerId) {
  const key = `daira:feed:${viewerId}`;
  const [entries] = await Promise.all([redis.zRange(key, 0, -1, { REV: true }), redis.expire(key, INBOX_LIFETIME_S)]);
  if (!entries.slice(0, MARKS).includes("built")) throw new Error("the feed must be rebuilt");
  return entries
    .slice(1)
    .map(BigInt)
    .sort((one, other) => (one < other ? 1 : -1));
}

function unique(matches, fold) {
  const found = new Map();
  for (const [, word] of matches) if (!found.has(fold(word))) found.set(fold(word), word);
  return [...found.values()];
}

function maySee(row, viewerId) {
  if (row.author_id === viewerId) return true;
  if (row.blocks || row.blocked_by || row.visibility === "private") return false;
  if (row.visibility === "circle") return true;
  return row.visibility === "followers" || row.author_is_private ? row.follows : true;
}

function feedReason(row, viewerId) {
  if (!maySee(row, viewerId) || row.mutes_posts || row.author_id === viewerId) return null;
  if (row.follows) return "follow";
  return row.mention_ids.includes(viewerId) ? "mention" : null;
}

function present(row) {
  return {
    id: row.id,
    author: {
      id: row.author_id,
      username: row.username,
      display_name: row.display_name,
      avatar_url: row.avatar_url,
      is_verified: row.is_verified,
    },
    text: row.text,
    media: [],
    hashtags: row.hashtags,
    mentions: row.mentions,
    visibility: row.visibility,
    version: row.version,
    created_at: mintedAt(row.id).toISOString(),
    edited_at: row.edited_at && row.edited_at.toISOString(),
    counts: {
      reactions: row.reactions,
      comments: Number(row.comment_count),
      shares: Number(row.share_count),
      saves: Number(row.save_count),
      views: Number(row.view_count),
    },
    viewer: { reaction: null, saved: false },
  };
}

function sealCursor(viewerId, place) {
  return Buffer.concat([sign(viewerId, place), Buffer.from(place)]).toString("base64url");
}

function openCursor(viewerId, cursor) {
  const sealed = Buffer.from(cursor, "base64url");
  const place = sealed.subarray(SIGNATURE_BYTES).toString();
  if (!timingSafeEqual(sealed.subarray(0, SIGNATURE_BYTES), sign(viewerId, place))) throw new Error("a foreign cursor");
  return BigInt(place);
}

function sign(viewerId, place) {
  const message = `${viewerId}\nfeed.get:latest\n${place}`;
  return createHmac("sha256", TOKEN_KEY).update(message).digest().subarray(0, SIGNATURE_BYTES);
}
