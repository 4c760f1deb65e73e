/**
 * Built-in and extension functions that do more than compute on their arguments, and relations that show values or statements of
 * others. Functions of pg_catalog and of extensions that are not listed here pass.
 */
export type BuiltInRule =
  /** Runs SQL text given in its arguments: constant text is judged like a statement, anything else cannot be masked. */
  | {
      readonly kind: 'runs-sql';
      readonly why: string;
      /**
       * The queries it runs. Takes the arguments: text of a constant, undefined for a number, null for what is not constant. Undefined
       * when they cannot be told.
       */
      readonly sql: (args: readonly (string | undefined | null)[]) => readonly string[] | undefined;
    }
  /** Prints a relation named in its first argument. */
  | { readonly kind: 'prints-relation'; readonly why: string }
  /** Shows data, files or statements past every relation name: refused when anything is hidden. */
  | { readonly kind: 'reads-around'; readonly why: string }
  /** As `reads-around`, and needs policy's `call` because it acts on the server or the outside world. */
  | { readonly kind: 'acts'; readonly why: string }
  /** Needs policy's `call`, but shows nothing. */
  | { readonly kind: 'administers'; readonly why: string }
  /** Changes the sequence in its first argument. */
  | { readonly kind: 'sequence'; readonly why: string };

const rules: Record<string, BuiltInRule> = {};
function define(kind: Exclude<BuiltInRule['kind'], 'runs-sql'>, why: string, names: string): void {
  for (const name of names.split(/\s+/).filter(Boolean)) rules[name] = { kind, why };
}
type RunsSql = Extract<BuiltInRule, { kind: 'runs-sql' }>['sql'];
function defineRunsSql(names: string, sql: RunsSql): void {
  for (const name of names.split(' '))
    rules[name] = { kind: 'runs-sql', why: 'runs SQL text given as an argument', sql };
}

/** All of them, or undefined when one is not constant. */
function constants(texts: readonly (string | undefined | null)[]): readonly string[] | undefined {
  return texts.every((text) => typeof text === 'string') ? texts : undefined;
}

defineRunsSql('query_to_xml query_to_xmlschema query_to_xml_and_xmlschema ts_stat', (args) => constants([args[0]]));
defineRunsSql('crosstab2 crosstab3 crosstab4 crosstabn', (args) => constants([args[0]]));
// crosstab(text, int) is the old form: its second argument is a number.
defineRunsSql('crosstab crosstab_hash', ([rows, categories]) =>
  constants(categories === undefined ? [rows] : [rows, categories]),
);
// ts_rewrite(tsquery, tsquery, tsquery) runs nothing.
defineRunsSql('ts_rewrite', (args) => (args.length === 3 ? [] : constants([args[1]])));
// https://www.postgresql.org/docs/current/xml2.html#XML2-XPATH-TABLE gives the query it makes.
defineRunsSql('xpath_table', ([key, document, relation, , criteria]) => {
  const parts = constants([key, document, relation, criteria]);
  return parts && [`SELECT ${parts[0]}, ${parts[1]} FROM ${parts[2]} WHERE ${parts[3]}`];
});

define('prints-relation', 'prints a whole relation', 'table_to_xml table_to_xmlschema table_to_xml_and_xmlschema');
define(
  'reads-around',
  'prints relations, statements or values without naming the relation in the statement',
  `schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema
   cursor_to_xml cursor_to_xmlschema connectby
   pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_backend_start pg_stat_get_backend_client_addr
   pg_stat_statements pg_prepared_statement pg_cursor pg_mcv_list_items pg_stats_ext_mcvlist_items
   pg_show_all_file_settings pg_hba_file_rules pg_ident_file_mappings
   get_raw_page heap_page_items heap_page_item_attrs tuple_data_split bt_page_items bt_page_items_text gist_page_items
   gist_page_items_bytea brin_page_items gin_leafpage_items hash_page_items page_header fsm_page_contents
   pg_get_wal_record_info pg_get_wal_records_info pg_get_wal_records_info_till_end_of_wal pg_get_wal_block_info
   pg_logical_slot_peek_changes pg_logical_slot_peek_binary_changes lo_get loread lowrite lo_open lo_lseek lo_lseek64 lo_tell lo_tell64`,
);
define(
  'acts',
  'reads or writes files of the server, other servers, or other sessions',
  `pg_read_file pg_read_file_old pg_read_file_all pg_read_binary_file pg_read_binary_file_all pg_read_file_off_len pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir
   pg_ls_tmpdir pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir
   pg_file_write pg_file_rename pg_file_unlink pg_file_sync pg_file_read pg_file_length pg_logdir_ls pg_logfile_rotate
   lo_import lo_export lo_import_with_oid
   dblink dblink_connect dblink_connect_u dblink_exec dblink_open dblink_fetch dblink_close dblink_send_query dblink_get_result
   dblink_get_notify dblink_disconnect dblink_cancel_query dblink_error_message dblink_is_busy dblink_get_connections
   dblink_build_sql_insert dblink_build_sql_update dblink_build_sql_delete dblink_get_pkey dblink_current_query dblink_fdw_validator
   pg_logical_slot_get_changes pg_logical_slot_get_binary_changes pg_logical_emit_message pg_create_logical_replication_slot
   pg_copy_logical_replication_slot pg_create_physical_replication_slot pg_copy_physical_replication_slot
   pg_drop_replication_slot pg_replication_slot_advance pg_sync_replication_slots
   pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_session_setup pg_replication_origin_session_reset
   pg_replication_origin_xact_setup pg_replication_origin_xact_reset pg_replication_origin_advance
   pg_execute_server_program plpython_call_handler`,
);
define(
  'administers',
  'acts on the server or on other sessions',
  `pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_promote pg_switch_wal
   pg_create_restore_point pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup pg_wal_replay_pause pg_wal_replay_resume
   pg_log_backend_memory_contexts pg_log_standby_snapshot pg_export_snapshot pg_import_system_collations pg_nextoid
   pg_stat_reset pg_stat_reset_shared pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters
   pg_stat_reset_slru pg_stat_reset_replication_slot pg_stat_reset_subscription_stats pg_stat_reset_backend_stats pg_stat_statements_reset
   pg_stat_force_next_flush pg_extension_config_dump pg_clear_relation_stats pg_clear_attribute_stats
   pg_restore_relation_stats pg_restore_attribute_stats pg_prewarm autoprewarm_start_worker autoprewarm_dump_now pg_truncate_visibility_map
   brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list heap_force_kill heap_force_freeze
   lo_creat lo_create lo_unlink lo_put lo_from_bytea lo_truncate lo_truncate64 lo_close lo_manage
   postgres_fdw_disconnect postgres_fdw_disconnect_all binary_upgrade_create_empty_extension`,
);
define('sequence', 'changes a sequence', 'nextval setval');

export function builtInRule(name: string): BuiltInRule | undefined {
  return Object.hasOwn(rules, name) ? rules[name] : undefined;
}

/** Columns of system (and extension) views that echo values or statements; `all`: the whole relation. */
const echoing: Readonly<Record<string, readonly string[] | 'all'>> = {
  pg_statistic: 'all',
  pg_statistic_ext_data: 'all',
  pg_stats: [
    'most_common_vals',
    'histogram_bounds',
    'most_common_elems',
    'range_length_histogram',
    'range_bounds_histogram',
  ],
  pg_stats_ext: ['most_common_vals', 'most_common_val_nulls', 'most_common_freqs', 'most_common_base_freqs'],
  pg_stats_ext_exprs: ['most_common_vals', 'histogram_bounds', 'most_common_elems'],
  pg_stat_activity: ['query'],
  pg_stat_statements: ['query'],
  pg_prepared_statements: ['statement'],
  pg_cursors: ['statement'],
  pg_file_settings: 'all',
  pg_hba_file_rules: 'all',
  pg_ident_file_mappings: 'all',
  pg_authid: 'all',
  pg_shadow: 'all',
  pg_largeobject: 'all',
  pg_user_mapping: ['umoptions'],
  pg_user_mappings: ['umoptions'],
  user_mapping_options: ['option_value'],
  _pg_user_mappings: ['umoptions'],
  pg_subscription: ['subconninfo'],
  pg_stat_wal_receiver: ['conninfo'],
};

export function echoedColumns(relation: string): readonly string[] | 'all' | undefined {
  if (relation.startsWith('pg_toast_')) return 'all';
  return Object.hasOwn(echoing, relation) ? echoing[relation] : undefined;
}
