//! What the fuzz targets check. Each is a function of bytes that panics if
//! something is wrong, so that a case that was found runs as a test, too.

pub mod clock;
pub mod headers;
mod input;
pub mod operations;
pub mod record;
pub mod token;
