import type { CatalogRelation } from '../../model/catalog.ts';

/**
 * Columns of the server's own views that echo values of other relations, texts of other people's statements, or credentials. They
 * count as labelled with every label of the connection: only who may see all of it may see them.
 * https://www.postgresql.org/docs/current/views.html
 */
const SYSTEM: Readonly<Record<string, readonly string[]>> = {
  'pg_catalog.pg_stats': ['most_common_vals', 'histogram_bounds', 'most_common_elems', 'range_bounds_histogram'],
  'pg_catalog.pg_stats_ext': ['most_common_vals'],
  'pg_catalog.pg_stats_ext_exprs': [
    'most_common_vals',
    'histogram_bounds',
    'most_common_elems',
    'range_bounds_histogram',
  ],
  'pg_catalog.pg_statistic': ['stavalues1', 'stavalues2', 'stavalues3', 'stavalues4', 'stavalues5'],
  'pg_catalog.pg_statistic_ext_data': ['stxdndistinct', 'stxddependencies', 'stxdmcv', 'stxdexpr'],
  'pg_catalog.pg_stat_activity': ['query'],
  'pg_catalog.pg_largeobject': ['data'],
  'pg_catalog.pg_authid': ['rolpassword'],
  'pg_catalog.pg_shadow': ['passwd'],
  'pg_catalog.pg_user_mapping': ['umoptions'],
  'pg_catalog.pg_user_mappings': ['umoptions'],
  'pg_catalog.pg_subscription': ['subconninfo'],
  'information_schema.user_mapping_options': ['option_value'],
};

/** Views of extensions, in whatever schema they were installed. */
const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  'pg_stat_statements.pg_stat_statements': ['query'],
  'pg_stat_monitor.pg_stat_monitor': ['query', 'comments', 'message', 'query_plan'],
  'pg_qualstats.pg_qualstats': ['constvalue'],
  'pg_qualstats.pg_qualstats_pretty': ['constvalue'],
  'pg_qualstats.pg_qualstats_all': ['constvalue'],
  'pg_qualstats.pg_qualstats_by_query': ['constvalues'],
  'pg_store_plans.pg_store_plans': ['plan'],
};

/** Which columns of the relation echo what is elsewhere. */
export function echoingColumns(relation: CatalogRelation): readonly string[] {
  const system = `${relation.schema}.${relation.name}`;
  const extension = `${relation.extension ?? ''}.${relation.name}`;
  if (Object.hasOwn(SYSTEM, system)) return SYSTEM[system] ?? [];
  if (Object.hasOwn(EXTENSIONS, extension)) return EXTENSIONS[extension] ?? [];
  return [];
}
