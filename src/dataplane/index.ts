export { type Query, readCatalog } from './catalog/index.ts';
export { DataPlane, type DataPlaneOptions } from './data-plane.ts';
export { RefusalError } from './errors.ts';
export { type TlsMaterial, tlsMaterial } from './listener.ts';
export { RowMeter } from './row-meter.ts';
export type { ApprovalPort, BudgetPort, LogPort, MetricsPort, PolicyPort, Services } from './services.ts';
export { TargetQueries } from './target/index.ts';
export { viewOf } from './view.ts';
export { type QueryChannel, type StickyLabels, type World, Worlds } from './world.ts';
