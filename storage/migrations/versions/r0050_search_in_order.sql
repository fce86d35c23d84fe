-- GIN skips within the list of a term only if documents lie in the order of their places. With room left on each page,
-- new documents do not fit into the gaps of old pages, and one that is written anew stays on its page.
ALTER TABLE search_posts SET (fillfactor = 90);
