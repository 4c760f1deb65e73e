/** Settings that only shape the session's own answers: what drivers and BI tools send. Everything else asks policy for `set`. */
const HARMLESS = new Set(
  `search_path datestyle intervalstyle timezone client_encoding names application_name client_min_messages bytea_output
  extra_float_digits xmlbinary xmloption xml_option array_nulls transform_null_equals quote_all_identifiers escape_string_warning
  standard_conforming_strings backslash_quote default_text_search_config row_security check_function_bodies
  statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout
  client_connection_check_interval tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count tcp_user_timeout
  default_transaction_isolation default_transaction_read_only default_transaction_deferrable transaction_isolation
  transaction_read_only transaction_deferrable synchronous_commit
  work_mem maintenance_work_mem temp_buffers hash_mem_multiplier logical_decoding_work_mem effective_cache_size effective_io_concurrency
  random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost parallel_tuple_cost
  min_parallel_table_scan_size min_parallel_index_scan_size max_parallel_workers max_parallel_workers_per_gather
  max_parallel_maintenance_workers parallel_leader_participation force_parallel_mode debug_parallel_query constraint_exclusion
  cursor_tuple_fraction from_collapse_limit join_collapse_limit default_statistics_target plan_cache_mode recursive_worktable_factor
  jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost gin_fuzzy_search_limit synchronize_seqscans
  lc_messages lc_monetary lc_numeric lc_time default_tablespace temp_tablespaces default_table_access_method default_toast_compression
  restrict_nonsystem_relation_kind geqo geqo_threshold geqo_effort geqo_pool_size geqo_generations geqo_selection_bias geqo_seed seed`
    .split(/\s+/)
    .filter(Boolean),
);

export function isHarmlessSetting(name: string): boolean {
  const lower = name.toLowerCase();
  return HARMLESS.has(lower) || lower.startsWith('enable_');
}

/** Settings of the gateway itself: they carry mask keys, so nobody reads or changes them. */
export function isGatewaySetting(name: string): boolean {
  return name.toLowerCase().startsWith('gatehouse');
}

/** Settings that decide who the session acts as. */
export function isIdentitySetting(name: string): boolean {
  return ['role', 'session_authorization', 'is_superuser'].includes(name.toLowerCase());
}

/** The list in a search_path string: `"$user", public`. undefined when it is not well-formed. */
export function searchPathOf(value: string): readonly string[] | undefined {
  const schemas: string[] = [];
  const item = /\s*(?:"((?:[^"]|"")+)"|([^\s",]+))\s*(,|$)/y;
  if (value.trim() === '') return schemas;
  let end = false;
  while (!end) {
    const match = item.exec(value);
    if (!match) return undefined;
    const quoted = match[1];
    const plain = match[2];
    if (quoted !== undefined) schemas.push(quoted.replaceAll('""', '"'));
    else if (plain !== undefined) schemas.push(plain.toLowerCase());
    end = match[3] !== ',';
  }
  return item.lastIndex === value.length ? schemas : undefined;
}
