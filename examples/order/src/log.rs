//! What happens without a caller to tell: on stderr, so that the program's own words stay readable.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::Failure;

/// What is wanted of the log, as `RUST_LOG` has it: `info`, or `warn,es_core=debug`. Trouble, and whose it is, by default.
pub(crate) fn open(wanted: Option<String>) -> Result<(), Failure> {
    let wanted = match wanted.filter(|wanted| !wanted.is_empty()) {
        Some(wanted) => wanted.parse().map_err(|error| format!("RUST_LOG is not understood: {error}"))?,
        // The span of a request is at INFO.
        None => Targets::new().with_default(LevelFilter::WARN).with_target("es_axum", LevelFilter::INFO),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry().with(lines).with(wanted).try_init()?;
    Ok(())
}
