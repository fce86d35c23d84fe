// Profiles, as DAIRA's handler user.get makes them.

import { transact } from "./transactions.mjs";

export const getUser = {
  schema: {
    type: "object",
    properties: { user_id: { type: "string", pattern: "^(0|[1-9][0-9]{0,18})$" } },
    required: ["user_id"],
    additionalProperties: false,
  },
  handle: (socket, { user_id }) =>
    transact("user.get", socket.data.userId, async (load) => {
      const [row] = await load([user_id]);
      if (!row || row.blocked_by) throw new Error("there is no such user");
      return present(row);
    }),
};

function present(row) {
  return {
    id: row.id,
    username: row.username,
    display_name: row.display_name,
    avatar_url: row.avatar_url,
    is_verified: row.is_verified,
    bio: row.bio,
    is_private: row.is_private,
    follower_count: Number(row.follower_count),
    following_count: Number(row.following_count),
    post_count: Number(row.post_count),
    created_at: row.created_at.toISOString(),
    viewer: {
      follows: row.follows,
      followed_by: row.followed_by,
      requested: row.requested,
      blocks: row.blocks,
      mutes: row.mutes,
    },
  };
}
