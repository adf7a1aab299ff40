//! The folder in which fetched binaries and data templates wait for the next run.

use crate::{Result, account};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Below cargo's target folder, so that `cargo clean` removes it; in the system's temporary folder where that one
/// is somebody else's or closed to the account the server runs as.
pub(crate) fn folder() -> Result<PathBuf> {
    let in_target = target().join("postgres");
    let usable = fs::create_dir_all(&in_target).is_ok() && account::owns(&in_target);
    if usable && account::can_reach(&in_target) {
        return Ok(in_target);
    }
    let in_temp = temp().join(format!("es-test-support-{}", account::uid()));
    fs::create_dir_all(&in_temp).map_err(|e| format!("cannot create {}: {e}", in_temp.display()))?;
    if !account::owns(&in_temp) {
        return Err(format!("{} belongs to somebody else; set TMPDIR to a folder of your own", in_temp.display()));
    }
    Ok(in_temp)
}

/// The system's temporary folder, or `/tmp` when the server's account could not enter it.
pub(crate) fn temp() -> PathBuf {
    let temp = std::env::temp_dir();
    if account::can_reach(&temp) { temp } else { PathBuf::from("/tmp") }
}

/// Builds a folder in the cache once, also when several processes want it at the same moment: others wait for the
/// lock, and the folder appears under its name only when it is complete.
pub(crate) fn build_once(name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = folder()?;
    let finished = cache.join(name);
    if finished.exists() {
        return Ok(finished);
    }
    let _lock = lock(&cache.join(format!("{name}.lock")))?;
    if !finished.exists() {
        let unfinished = cache.join(format!("{name}.unfinished"));
        let _ = fs::remove_dir_all(&unfinished);
        build(&unfinished)?;
        fs::rename(&unfinished, &finished).map_err(|e| format!("cannot create {}: {e}", finished.display()))?;
    }
    Ok(finished)
}

fn lock(path: &Path) -> Result<File> {
    let locked = File::create(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|e| format!("cannot lock {}: {e}", path.display()))
}

fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let workspace = workspace.canonicalize().unwrap_or(workspace);
    workspace.join(name)
}
