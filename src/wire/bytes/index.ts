export { WireError, type WireErrorCode } from '../errors.ts';
export { BodyReader } from './body-reader.ts';
export { BodyWriter } from './body-writer.ts';
export { type Frame, type FrameLimit, frameOf } from './frame.ts';
export { FrameReader } from './frame-reader.ts';
export { FrameScanner, type ScanOptions, type ScanSink } from './frame-scanner.ts';
