DROP FUNCTION IF EXISTS search_find(text, tsquery, integer);
