-- Names, casts and the types of named objects
SELECT 'shop.orders'::regclass, 'shop.orders'::regclass::oid = 'shop.orders'::regclass AS same, 'wine'::regclass::text, 'pg_class'::regclass::oid
SELECT 1259::regclass, '1259'::regclass, 0::regclass, 99999::regclass, 'shop'::regnamespace, 'tarn'::regrole, 'array_in'::regproc
SELECT 'int4'::regtype, 'pg_catalog.int4[]'::regtype, 'shop.orders'::regtype, 'double precision'::regtype::oid, 'name'::regtype::text
SELECT to_regclass('shop.orders'), to_regclass('nothing'), to_regtype('nothing'), to_regtype('text'), to_regnamespace('shop'), to_regrole('nobody')
SELECT oid::regclass::text, relkind FROM pg_class WHERE relnamespace = 'shop'::regnamespace ORDER BY relname
SELECT relname FROM pg_class WHERE oid = 'shop.orders'::regclass
SELECT relname FROM pg_class WHERE oid IN ('shop.orders'::regclass, 'wine'::regclass) ORDER BY 1
SELECT attname, atttypid::regtype, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'shop.customers'::regclass AND attnum > 0 ORDER BY attnum
SELECT typname, typinput, typreceive::oid, typelem::regtype FROM pg_type WHERE typname IN ('_int4', 'name', 'int2vector') ORDER BY 1
SELECT format_type(23, NULL), format_type(1043, 24), format_type(1700, 655366), format_type(1007, -1), format_type(0, -1), format_type(3904, -1), format_type(NULL, 1), format_type(999999, NULL)
SELECT pg_typeof(1::int4), pg_typeof('a'::text), pg_typeof(1.5::float8), pg_typeof(true), pg_typeof(oid) FROM pg_class LIMIT 1
-- Operators, patterns, collations
SELECT relname FROM pg_class WHERE relname OPERATOR(pg_catalog.~) '^(orders|wine)$' COLLATE pg_catalog.default ORDER BY relname COLLATE "C"
SELECT relname FROM pg_class WHERE relname LIKE 'order/_%' ESCAPE '/' ORDER BY 1
SELECT relname FROM pg_class WHERE relname LIKE 'order!_l%' ESCAPE '!' AND relname NOT LIKE 'x%' ESCAPE '' ORDER BY 1
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT LIKE 'info%' ORDER BY 1
SELECT relname FROM pg_class WHERE relname OPERATOR(pg_catalog.=) 'wine' AND relkind OPERATOR(pg_catalog.<>) 'v'
-- Arrays and vectors
SELECT conname, conkey, conkey[1], conkey[2], conkey[3] FROM pg_constraint WHERE conname = 'order_lines_pkey'
SELECT indkey, indkey[0], indkey[1], indkey[2], indkey::text, array_upper(indkey, 1), array_lower(indkey, 1) FROM pg_index WHERE indexrelid = 'shop.order_lines_pkey'::regclass
SELECT a.attname FROM pg_attribute a JOIN pg_index i ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indexrelid = 'shop.order_lines_pkey'::regclass ORDER BY a.attnum
SELECT unnest(conkey) AS k, generate_subscripts(conkey, 1) AS i FROM pg_constraint WHERE conname = 'order_lines_pkey' ORDER BY 2
SELECT unnest(indkey) AS k, generate_subscripts(indkey, 1) AS i FROM pg_index WHERE indexrelid = 'shop.order_lines_pkey'::regclass ORDER BY 2
SELECT (information_schema._pg_expandarray(indkey)).x, (information_schema._pg_expandarray(indkey)).n FROM pg_index WHERE indexrelid = 'shop.order_lines_pkey'::regclass ORDER BY 2
SELECT relname FROM pg_class WHERE relkind = ANY ('{v,S}') AND relnamespace = 'shop'::regnamespace ORDER BY 1
SELECT relname FROM pg_class WHERE relkind = ANY (ARRAY['v', 'S']) AND relnamespace <> ALL ('{11}'::oid[]) AND relnamespace = 'shop'::regnamespace ORDER BY 1
SELECT relname FROM pg_class WHERE oid = ANY ('{1259,1249}'::oid[]) ORDER BY 1
SELECT ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum DESC) FROM pg_class c WHERE c.relname IN ('wine', 'ticket') AND c.relkind = 'r'
SELECT c.relname, ARRAY(SELECT conname FROM pg_constraint k WHERE k.conrelid = c.oid ORDER BY 1) FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND relkind = 'r' ORDER BY 1
SELECT array_to_string(ARRAY['a', NULL, 'b'], ','), array_to_string(ARRAY['a', NULL, 'b'], ',', '*'), array_to_string(ARRAY[1, 2], '-')
SELECT coalesce(conkey, '{}'), contype FROM pg_constraint WHERE conname IN ('orders_pkey', 'orders_amount_check') ORDER BY conname
SELECT (current_schemas(true))[1], (current_schemas(false))[1], current_schemas(false), current_schemas(true)
SELECT s.r, (current_schemas(true))[s.r] FROM generate_series(1, array_upper(current_schemas(true), 1)) AS s(r) ORDER BY 1
-- Subqueries that depend on the row around them
SELECT c.relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' ORDER BY 1
SELECT c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 2), (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 1 ORDER BY a.attnum DESC LIMIT 1) FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' ORDER BY 1
SELECT c.relname, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary) FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' ORDER BY 1
SELECT c.relname, c.oid IN (SELECT i.indrelid FROM pg_index i), c.relname NOT IN (SELECT n.nspname FROM pg_namespace n) FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY 1
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'shop'::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f') ORDER BY 1
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND (c.relname = 'wine' OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f')) AND c.oid > 16383 ORDER BY 1
SELECT c.relname, CASE WHEN c.relkind = 'r' THEN (SELECT min(k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid) ELSE 'none' END AS first FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind <> 'i' ORDER BY 1
SELECT n.nspname, (SELECT string_agg(c.relname || ':' || (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0), ',' ORDER BY c.relname) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r') FROM pg_namespace n WHERE n.nspname IN ('shop', 'public') ORDER BY 1
SELECT max(relname) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'shop')
SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE a.attrelid = 'shop.customers'::regclass AND a.attnum BETWEEN 1 AND 4 ORDER BY a.attnum
-- Columns that every relation has, names of columns
SELECT c.tableoid, c.tableoid::regclass, tableoid FROM pg_class c WHERE c.relname = 'wine'
SELECT c.relname, d.tableoid::regclass FROM pg_class c LEFT JOIN pg_description d ON d.objoid = c.oid AND d.objsubid = 0 WHERE c.relname IN ('wine', 'customers') AND c.relkind = 'r' ORDER BY 1
SELECT NULL, NULL, 1, 'a', count(*), max(relname), CASE WHEN true THEN 1 END, relname::text, (SELECT 7 AS seven) FROM pg_class WHERE relname = 'wine' GROUP BY relname
SELECT relname, relname, oid AS relname FROM pg_class WHERE relname = 'wine'
-- Functions
SELECT current_database(), current_catalog, current_schema, current_schema(), current_user, session_user, user, current_role
SELECT pg_get_userbyid(10), pg_get_userbyid(424242), pg_encoding_to_char(6), pg_char_to_encoding('UTF8'), getdatabaseencoding(), pg_client_encoding()
SELECT pg_table_is_visible('wine'::regclass), pg_table_is_visible('shop.orders'::regclass), pg_table_is_visible(424242), pg_type_is_visible(23), pg_function_is_visible(750), pg_type_is_visible('shop.orders'::regtype)
SELECT obj_description('shop.customers'::regclass), obj_description('shop.customers'::regclass, 'pg_class'), obj_description('shop.customers'::regclass, 'pg_type'), obj_description('shop'::regnamespace, 'pg_namespace')
SELECT conname, pg_get_constraintdef(oid, true) FROM pg_constraint WHERE connamespace = 'shop'::regnamespace ORDER BY 1
SELECT pg_get_indexdef('shop.order_lines_pkey'::regclass), pg_get_indexdef('shop.order_lines_pkey'::regclass, 2, true), pg_get_indexdef('shop.order_lines_pkey'::regclass, 3, true)
SELECT pg_get_serial_sequence('shop.orders', 'id'), pg_get_serial_sequence('shop.customers', 'id'), pg_get_serial_sequence('shop.orders', 'note')
SELECT has_table_privilege('shop.orders', 'SELECT'), has_table_privilege('tarn', 'shop.orders', 'select, INSERT'), has_schema_privilege('shop', 'USAGE'), has_database_privilege('tarn', 'CONNECT'), has_column_privilege('shop.orders', 'id', 'UPDATE'), pg_has_role('tarn', 'MEMBER')
SELECT quote_ident('Order'), quote_ident('select'), quote_ident('a"b'), quote_ident('plain'), quote_literal('it''s'), quote_nullable(NULL), quote_literal(E'a\\b')
SELECT pg_size_pretty(0::bigint), pg_size_pretty(10240::bigint), pg_size_pretty(10485759::bigint), pg_size_pretty(123456789::bigint)
SELECT json_build_object('a', 1, 'b', 'x"y', 'c', NULL, 'd', true), json_build_array(1, 'a', NULL)
SELECT pg_is_in_recovery(), txid_current_if_assigned(), pg_is_other_temp_schema(2200), inet_client_addr() IS NULL AS local FROM pg_am WHERE amname = 'nothing'
SELECT current_setting('jit'), current_setting('no.such', true), set_config('jit', 'on', false)
SELECT count(*) > 400, min(word), bool_or(catcode = 'R') FROM pg_get_keywords()
-- information_schema
SELECT table_schema, table_name, table_type, is_insertable_into FROM information_schema.tables WHERE table_schema IN ('shop', 'public') AND table_name <> 'big_orders' ORDER BY 1, 2
SELECT column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision, udt_schema, udt_name, is_identity, identity_generation, is_generated, is_updatable FROM information_schema.columns WHERE table_schema = 'shop' AND table_name IN ('customers', 'order_lines') ORDER BY table_name, ordinal_position
SELECT constraint_name, table_name, constraint_type, is_deferrable, nulls_distinct FROM information_schema.table_constraints WHERE table_schema = 'shop' AND constraint_name NOT LIKE '%not_null' ORDER BY 1
SELECT constraint_name, column_name, ordinal_position, position_in_unique_constraint FROM information_schema.key_column_usage WHERE table_schema = 'shop' ORDER BY 1, 3
SELECT constraint_name, unique_constraint_schema, unique_constraint_name, match_option, update_rule, delete_rule FROM information_schema.referential_constraints
SELECT constraint_name, table_name, column_name FROM information_schema.constraint_column_usage WHERE constraint_schema = 'shop' AND constraint_name NOT LIKE '%check' ORDER BY 1, 3
SELECT sequence_schema, sequence_name, data_type, start_value, minimum_value, maximum_value, increment, cycle_option FROM information_schema.sequences ORDER BY 2
SELECT grantee, table_name, privilege_type, is_grantable, with_hierarchy FROM information_schema.table_privileges WHERE table_schema = 'shop' AND table_name = 'orders' ORDER BY 3
SELECT schema_name, schema_owner FROM information_schema.schemata ORDER BY 1
SELECT * FROM information_schema.information_schema_catalog_name
SELECT * FROM information_schema.routines WHERE routine_schema = 'shop'
-- Other relations
SELECT rolname, rolsuper, rolcanlogin FROM pg_roles WHERE rolname IN ('tarn', 'pg_database_owner') ORDER BY 1
SELECT usename, usesuper FROM pg_user
SELECT schemaname, tablename, tableowner, hasindexes FROM pg_tables WHERE schemaname IN ('shop', 'public') ORDER BY 2
SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname = 'shop' ORDER BY 2
SELECT schemaname, sequencename, data_type, start_value, increment_by, last_value FROM pg_sequences ORDER BY 2
SELECT c.relname, d.deptype, d.refobjid::regclass, d.refobjsubid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass WHERE c.relkind = 'S' AND d.refclassid = 'pg_class'::regclass AND c.relnamespace = 'shop'::regnamespace ORDER BY 1
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast WHERE castsource = 'int4'::regtype ORDER BY 2
SELECT rngtypid::regtype, rngsubtype::regtype FROM pg_range ORDER BY rngtypid
SELECT enumlabel FROM pg_enum
SELECT count(*) FROM pg_policy
SELECT oprname, oprleft::regtype, oprright::regtype FROM pg_operator WHERE oprcode = 'int4eq'::regproc
