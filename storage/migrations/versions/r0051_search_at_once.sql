-- No list of entries to merge later: every search would read the list, and the write that merges it would take 100 ms.
-- Writing costs the same. The options of the partitioned index itself cannot be changed.
ALTER INDEX search_posts_terms_slices_idx SET (fastupdate = off);
ALTER INDEX search_users_terms_slices_idx SET (fastupdate = off);
ALTER INDEX search_hashtags_terms_slices_idx SET (fastupdate = off);
ALTER INDEX search_rooms_terms_slices_idx SET (fastupdate = off);
ALTER INDEX search_words_terms_slices_idx SET (fastupdate = off);
SELECT gin_clean_pending_list(indexrelid) FROM pg_index WHERE indexrelid IN (
    SELECT inhrelid FROM pg_inherits WHERE inhparent = 'search_documents_terms'::regclass);
