/*
 * What PostgreSQL and its common extensions bring along that can show more than a statement names. One table for all rooms and for
 * docs/built-in-rules.md. Functions and relations of pg_catalog, information_schema and of extensions that are not in it pass; functions of
 * users are judged by their bodies. https://www.postgresql.org/docs/current/functions.html, contrib.html
 */

/**
 * What happens to a call.
 * `allowed`: nothing stands in the way. `judged`: the SQL or the relation that its constant arguments name is judged like a statement,
 * refused for whom anything is hidden when they are computed. `refused`: refused for whom anything is hidden. `refused-and-call`: that, and
 * policy's `call` for everybody. `call`: policy's `call` for everybody. `sequence`: policy's `write` on the sequence.
 */
export type FunctionTreatment = 'allowed' | 'judged' | 'refused' | 'refused-and-call' | 'call' | 'sequence';

export interface FunctionRule {
  readonly group: string;
  /** Lower-case names; `*` for every function of the extension. */
  readonly names: readonly string[];
  /** Counts only for functions of this extension: its names are words that others use too. */
  readonly extension?: string;
  readonly treatment: FunctionTreatment;
  /** What they can do; continues "The function …". */
  readonly why: string;
}

export interface RelationRule {
  readonly schema: string;
  /** Of this extension, wherever it was installed. */
  readonly extension?: string;
  readonly name: string;
  /** Columns that echo values, statements or secrets: NULL for whom anything is hidden. `all`: the whole relation is refused. */
  readonly echoes: readonly string[] | 'all';
  /** Of them, those that carry every label of the connection. */
  readonly labelled: readonly string[];
  readonly why: string;
}

const words = (text: string): readonly string[] => text.split(/\s+/).filter(Boolean);

function rule(
  group: string,
  treatment: FunctionTreatment,
  why: string,
  names: string,
  extension?: string,
): FunctionRule {
  return { group, treatment, why, names: words(names), ...(extension === undefined ? {} : { extension }) };
}

export const FUNCTION_RULES: readonly FunctionRule[] = [
  rule(
    'SQL in arguments',
    'judged',
    'runs SQL text given as an argument',
    'query_to_xml query_to_xmlschema query_to_xml_and_xmlschema',
  ),
  rule('SQL in arguments', 'judged', 'runs SQL text given as an argument', 'ts_stat ts_rewrite'),
  rule(
    'SQL in arguments',
    'judged',
    'runs SQL text given as an argument',
    'crosstab crosstab2 crosstab3 crosstab4 crosstabn crosstab_hash xpath_table',
  ),
  rule(
    'SQL in arguments',
    'judged',
    'runs the input function and the checks of a type named in an argument',
    'pg_input_is_valid pg_input_error_info',
  ),
  rule(
    'SQL in arguments',
    'judged',
    'prints a whole relation',
    'table_to_xml table_to_xmlschema table_to_xml_and_xmlschema',
  ),
  rule(
    'SQL in arguments',
    'refused',
    'prints relations without naming them in the statement',
    `schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema
     database_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema`,
  ),
  rule('SQL in arguments', 'refused', 'builds a query out of names given as arguments and runs it', 'connectby'),

  rule(
    'Statements and values of others',
    'refused',
    'prints relations, statements or values without naming the relation in the statement',
    `pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_backend_start pg_stat_get_backend_client_addr
     pg_stat_get_wal_receiver pg_stat_statements pg_prepared_statement pg_cursor pg_mcv_list_items pg_stats_ext_mcvlist_items
     pg_show_all_file_settings pg_hba_file_rules pg_ident_file_mappings pg_show_plans pg_query_state`,
  ),
  rule('Statements and values of others', 'refused', 'shows constants and statements of others', '*', 'pg_qualstats'),
  rule('Statements and values of others', 'refused', 'shows statements of others', '*', 'pg_stat_monitor'),
  rule('Statements and values of others', 'refused', 'shows statements of others', '*', 'pg_store_plans'),
  rule(
    'Statements and values of others',
    'refused-and-call',
    'shows and changes variables of other sessions',
    '*',
    'pldbgapi',
  ),

  rule(
    'Raw pages and write-ahead log',
    'refused',
    'shows rows as they lie on disk',
    `get_raw_page heap_page_items heap_page_item_attrs tuple_data_split bt_page_items bt_page_items_text gist_page_items
     gist_page_items_bytea brin_page_items gin_leafpage_items hash_page_items page_header fsm_page_contents pg_dirtyread
     pg_get_wal_record_info pg_get_wal_records_info pg_get_wal_records_info_till_end_of_wal pg_get_wal_block_info
     pg_get_wal_fpi_info`,
  ),
  rule(
    'Raw pages and write-ahead log',
    'refused',
    'shows changes of every relation',
    'pg_logical_slot_peek_changes pg_logical_slot_peek_binary_changes',
  ),
  rule(
    'Raw pages and write-ahead log',
    'refused-and-call',
    'reads changes of every relation, or keeps or writes the log for others to read',
    `pg_logical_slot_get_changes pg_logical_slot_get_binary_changes pg_logical_emit_message pg_create_logical_replication_slot
     pg_copy_logical_replication_slot pg_create_physical_replication_slot pg_copy_physical_replication_slot
     pg_drop_replication_slot pg_replication_slot_advance pg_sync_replication_slots
     pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_session_setup
     pg_replication_origin_session_reset pg_replication_origin_xact_setup pg_replication_origin_xact_reset
     pg_replication_origin_advance`,
  ),
  rule(
    'Raw pages and write-ahead log',
    'allowed',
    'counts, and checks without showing values',
    `bt_metap bt_page_stats bt_multi_page_stats page_checksum pgstattuple pgstattuple_approx pgstatindex pgstatginindex
     pgstathashindex pg_relpages pgrowlocks pg_visibility pg_visibility_map pg_visibility_map_summary pg_check_frozen
     pg_check_visible bt_index_check bt_index_parent_check verify_heapam gin_index_check pg_buffercache_pages
     pg_buffercache_summary pg_buffercache_usage_counts pg_freespace pg_get_wal_stats`,
  ),

  rule(
    'Large objects',
    'refused',
    'reads large objects, which belong to no relation',
    'lo_get loread lo_open lowrite lo_lseek lo_lseek64 lo_tell lo_tell64',
  ),
  rule(
    'Large objects',
    'call',
    'writes large objects',
    'lo_creat lo_create lo_unlink lo_put lo_from_bytea lo_truncate lo_truncate64 lo_close lo_manage',
  ),
  rule(
    'Large objects',
    'refused-and-call',
    'copies between large objects and files of the server',
    'lo_import lo_export lo_import_with_oid',
  ),

  rule(
    'Files of the server',
    'refused-and-call',
    'reads, lists or writes files of the server',
    `pg_read_file pg_read_file_old pg_read_file_all pg_read_binary_file pg_read_binary_file_all pg_read_file_off_len pg_stat_file
     pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_logicalsnapdir
     pg_ls_replslotdir pg_ls_summariesdir pg_file_write pg_file_rename pg_file_unlink pg_file_sync pg_file_read pg_file_length
     pg_logdir_ls pg_logfile_rotate pg_execute_server_program`,
  ),
  rule(
    'Files of the server',
    'refused-and-call',
    'runs code of a language that knows no limits',
    'plpython_call_handler plperlu_call_handler',
  ),
  rule(
    'Files of the server',
    'refused-and-call',
    'reads and writes files of the server, or runs SQL text given as an argument',
    `parse execute execute_and_fetch fopen get_line get_nextline put put_line putf new_line fcopy frename fremove fgetattr`,
    'orafce',
  ),

  rule(
    'Other servers and sessions',
    'refused-and-call',
    'opens connections past the gateway and runs SQL text in them',
    `dblink dblink_connect dblink_connect_u dblink_exec dblink_open dblink_fetch dblink_close dblink_send_query dblink_get_result
     dblink_get_notify dblink_disconnect dblink_cancel_query dblink_error_message dblink_is_busy dblink_get_connections
     dblink_build_sql_insert dblink_build_sql_update dblink_build_sql_delete dblink_get_pkey dblink_current_query
     dblink_fdw_validator oracle_execute`,
  ),
  rule(
    'Other servers and sessions',
    'refused-and-call',
    'runs SQL text later, in a session of its own',
    '*',
    'pg_cron',
  ),
  rule('Other servers and sessions', 'refused-and-call', 'runs SQL text in a session of its own', '*', 'pg_background'),
  rule(
    'Other servers and sessions',
    'refused-and-call',
    'runs functions later, in a session of its own',
    'add_job alter_job run_job',
    'timescaledb',
  ),
  rule('Other servers and sessions', 'refused-and-call', 'runs SQL text on other nodes', '*', 'citus'),
  rule('Other servers and sessions', 'refused-and-call', 'runs SQL text given as an argument', '*', 'pg_ivm'),
  rule('Other servers and sessions', 'refused-and-call', 'runs SQL text on other servers', '*', 'pglogical'),
  rule('Other servers and sessions', 'refused-and-call', 'sends requests to anywhere', '*', 'http'),
  rule('Other servers and sessions', 'refused-and-call', 'sends requests to anywhere', '*', 'pg_net'),
  rule(
    'Other servers and sessions',
    'refused-and-call',
    'runs a query and sends what it finds elsewhere',
    '*',
    'aws_s3',
  ),
  rule('Other servers and sessions', 'refused-and-call', 'sends requests to anywhere', '*', 'aws_lambda'),
  rule(
    'Other servers and sessions',
    'call',
    'closes connections to other servers',
    'postgres_fdw_disconnect postgres_fdw_disconnect_all',
  ),
  rule(
    'Other servers and sessions',
    'allowed',
    'notifies: what arrives passes the gateway’s detectors',
    'pg_notify pg_listening_channels',
  ),

  rule(
    'The server itself',
    'call',
    'acts on the server or on other sessions',
    `pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_promote pg_switch_wal
     pg_create_restore_point pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup pg_wal_replay_pause
     pg_wal_replay_resume pg_log_backend_memory_contexts pg_log_standby_snapshot pg_export_snapshot pg_import_system_collations
     pg_nextoid pg_extension_config_dump pg_prewarm autoprewarm_start_worker autoprewarm_dump_now pg_truncate_visibility_map
     brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list heap_force_kill
     heap_force_freeze binary_upgrade_create_empty_extension pg_buffercache_evict pg_buffercache_evict_relation
     pg_buffercache_evict_all`,
  ),
  rule(
    'The server itself',
    'call',
    'changes statistics',
    `pg_stat_reset pg_stat_reset_shared pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters
     pg_stat_reset_slru pg_stat_reset_replication_slot pg_stat_reset_subscription_stats pg_stat_reset_backend_stats
     pg_stat_statements_reset pg_stat_force_next_flush pg_clear_relation_stats pg_clear_attribute_stats
     pg_restore_relation_stats pg_restore_attribute_stats`,
  ),
  rule('The server itself', 'sequence', 'changes a sequence', 'nextval setval'),
  rule(
    'The server itself',
    'allowed',
    'waits or locks: time limits of the session bound it',
    `pg_sleep pg_sleep_for pg_sleep_until pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock
     pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_xact_lock pg_advisory_unlock pg_advisory_unlock_all`,
  ),

  rule(
    'Definitions and settings',
    'allowed',
    'writes out definitions, which clients need (psql’s \\d, drivers, pg_dump); a definition holds no rows',
    `pg_get_viewdef pg_get_functiondef pg_get_function_sqlbody pg_get_function_arguments pg_get_function_identity_arguments
     pg_get_function_result pg_get_function_arg_default pg_get_expr pg_get_constraintdef pg_get_indexdef pg_get_ruledef
     pg_get_triggerdef pg_get_partkeydef pg_get_partition_constraintdef pg_get_statisticsobjdef pg_get_userbyid
     pg_get_serial_sequence pg_get_keywords pg_get_object_address pg_describe_object pg_identify_object format_type
     obj_description col_description shobj_description pg_table_is_visible pg_options_to_table`,
  ),
  rule(
    'Definitions and settings',
    'allowed',
    'reads or changes the setting that a constant names; a computed name is refused for whom anything is hidden, the gateway’s own settings for everybody, and what is not harmless asks policy’s `set`',
    'current_setting set_config',
  ),
  rule(
    'Definitions and settings',
    'allowed',
    'computes on its arguments, which are masked already',
    'xpath xpath_exists xmltable json_populate_record row_to_json to_json to_jsonb pg_column_size pg_typeof ts_headline ts_debug',
  ),
];

/** SQL text that `*` rules and names are looked up by. */
export function functionRule(name: string, extension?: string): FunctionRule | undefined {
  return (
    BY_NAME.get(name) ??
    (extension === undefined ? undefined : (BY_NAME.get(`${extension}:${name}`) ?? BY_NAME.get(`${extension}:*`)))
  );
}

const BY_NAME: ReadonlyMap<string, FunctionRule> = new Map(
  FUNCTION_RULES.flatMap((entry) =>
    entry.names.map((name) => [entry.extension === undefined ? name : `${entry.extension}:${name}`, entry] as const),
  ),
);

const STATISTICS = 'shows values of the columns it describes';
const STATEMENTS = 'shows statements of other sessions, with their constants';
const SECRETS = 'holds secrets';
const OWN = 'shows statements as the gateway has rewritten them';
const OPTIONS = 'options of servers and foreign tables say where data lies, and may hold passwords';

function relation(
  place: string,
  why: string,
  echoes: string | 'all',
  labelled: string | undefined = undefined,
): RelationRule {
  const [schema = '', name = ''] = place.split('.');
  const system = schema === 'pg_catalog' || schema === 'information_schema';
  const columns = echoes === 'all' ? echoes : words(echoes);
  return {
    ...{ schema: system ? schema : '', name, why, echoes: columns },
    labelled: words(labelled ?? (echoes === 'all' ? '' : echoes)),
    ...(system ? {} : { extension: schema }),
  };
}

const VALUES = 'most_common_vals histogram_bounds most_common_elems range_bounds_histogram';

export const RELATION_RULES: readonly RelationRule[] = [
  relation('pg_catalog.pg_stats', STATISTICS, `${VALUES} range_length_histogram`, VALUES),
  relation(
    'pg_catalog.pg_stats_ext',
    STATISTICS,
    'most_common_vals most_common_val_nulls most_common_freqs most_common_base_freqs',
    'most_common_vals',
  ),
  relation('pg_catalog.pg_stats_ext_exprs', STATISTICS, VALUES),
  relation('pg_catalog.pg_statistic', STATISTICS, 'all', 'stavalues1 stavalues2 stavalues3 stavalues4 stavalues5'),
  relation('pg_catalog.pg_statistic_ext_data', STATISTICS, 'all', 'stxdndistinct stxddependencies stxdmcv stxdexpr'),
  relation('pg_catalog.pg_stat_activity', STATEMENTS, 'query'),
  relation('pg_catalog.pg_prepared_statements', OWN, 'statement', ''),
  relation('pg_catalog.pg_cursors', OWN, 'statement', ''),
  relation('pg_catalog.pg_file_settings', SECRETS, 'all', ''),
  relation('pg_catalog.pg_hba_file_rules', SECRETS, 'all', ''),
  relation('pg_catalog.pg_ident_file_mappings', SECRETS, 'all', ''),
  relation('pg_catalog.pg_authid', SECRETS, 'all', 'rolpassword'),
  relation('pg_catalog.pg_shadow', SECRETS, 'all', 'passwd'),
  relation('pg_catalog.pg_largeobject', 'holds large objects, which belong to no relation', 'all', 'data'),
  relation('pg_catalog.pg_user_mapping', OPTIONS, 'umoptions'),
  relation('pg_catalog.pg_user_mappings', OPTIONS, 'umoptions'),
  relation('pg_catalog.pg_foreign_server', OPTIONS, 'srvoptions', ''),
  relation('pg_catalog.pg_foreign_table', OPTIONS, 'ftoptions', ''),
  relation('pg_catalog.pg_foreign_data_wrapper', OPTIONS, 'fdwoptions', ''),
  relation('information_schema.user_mapping_options', OPTIONS, 'option_value'),
  relation('information_schema._pg_user_mappings', OPTIONS, 'umoptions', ''),
  relation('information_schema.foreign_server_options', OPTIONS, 'option_value', ''),
  relation('information_schema.foreign_table_options', OPTIONS, 'option_value', ''),
  relation('information_schema.foreign_data_wrapper_options', OPTIONS, 'option_value', ''),
  relation('information_schema._pg_foreign_servers', OPTIONS, 'srvoptions', ''),
  relation('information_schema._pg_foreign_tables', OPTIONS, 'ftoptions', ''),
  relation('information_schema._pg_foreign_data_wrappers', OPTIONS, 'fdwoptions', ''),
  relation('pg_catalog.pg_subscription', OPTIONS, 'subconninfo'),
  relation('pg_catalog.pg_stat_wal_receiver', OPTIONS, 'conninfo', ''),
  relation('pg_stat_statements.pg_stat_statements', STATEMENTS, 'query'),
  relation('pg_stat_monitor.pg_stat_monitor', STATEMENTS, 'query comments message query_plan'),
  relation('pg_qualstats.pg_qualstats', STATEMENTS, 'constvalue'),
  relation('pg_qualstats.pg_qualstats_pretty', STATEMENTS, 'constvalue'),
  relation('pg_qualstats.pg_qualstats_all', STATEMENTS, 'constvalue'),
  relation('pg_qualstats.pg_qualstats_by_query', STATEMENTS, 'constvalues'),
  relation('pg_store_plans.pg_store_plans', STATEMENTS, 'plan'),
  relation('pg_show_plans.pg_show_plans', STATEMENTS, 'plan query'),
];

/** The rule about a relation of this name; one without a schema belongs to an extension. */
export function relationRule(name: string): RelationRule | undefined {
  return RELATIONS.get(name);
}

const RELATIONS: ReadonlyMap<string, RelationRule> = new Map(RELATION_RULES.map((entry) => [entry.name, entry]));
