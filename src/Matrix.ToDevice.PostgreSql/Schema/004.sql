-- Run it with search_path set to the schema that is to hold the tables.

-- The tables stay as they are; what is new is behind this, in functions.sql.
