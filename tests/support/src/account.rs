//! The account that PostgreSQL runs as: ours, or nobody's when ours is root.

use std::path::Path;
use std::process::Command;

#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(unix)]
mod unix {
    use super::{Command, Path};
    use crate::Result;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    use std::sync::OnceLock;

    /// Linux's overflow id: it owns nothing, and exists in every container.
    const NOBODY: u32 = 65534;

    /// Asked of `id`, because the system call is out of reach of safe code.
    pub(crate) fn uid() -> u32 {
        static UID: OnceLock<u32> = OnceLock::new();
        *UID.get_or_init(|| {
            let output = Command::new("id").arg("-u").output().expect("`id -u` runs on every Unix");
            String::from_utf8_lossy(&output.stdout).trim().parse().expect("`id -u` prints a number")
        })
    }

    pub(crate) fn is_root() -> bool {
        uid() == 0
    }

    /// Makes a command run as the server's account.
    pub(crate) fn demote(command: &mut Command) -> &mut Command {
        if is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
    }

    /// Creates a folder that only the server's account (and root) may enter.
    pub(crate) fn create_folder(path: &Path) -> Result<()> {
        let created = fs::DirBuilder::new().mode(0o700).create(path).and_then(|()| give_away(path));
        created.map_err(|e| format!("cannot create {}: {e}", path.display()))
    }

    /// Hands one file or folder to the server's account.
    pub(crate) fn give_away(path: &Path) -> std::io::Result<()> {
        if is_root() { chown(path, Some(NOBODY), Some(NOBODY)) } else { Ok(()) }
    }

    /// Whether the server's account can get at this folder at all; root's home is closed to nobody.
    pub(crate) fn can_reach(folder: &Path) -> bool {
        let open = |f: &Path| f.metadata().is_ok_and(|m| m.mode() & 0o001 != 0);
        !is_root() || folder.canonicalize().is_ok_and(|f| f.ancestors().all(open))
    }

    pub(crate) fn owns(path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|m| m.uid() == uid())
    }

    pub(crate) fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Keeps the terminal's Ctrl-C from the command, whose end is decided by a pipe.
    pub(crate) fn detach(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }
}

/// Elsewhere a server of our own is never started, so there is no account to care for.
#[cfg(not(unix))]
mod elsewhere {
    use super::{Command, Path};
    use crate::Result;

    pub(crate) fn uid() -> u32 {
        0
    }
    pub(crate) fn is_root() -> bool {
        false
    }
    pub(crate) fn demote(command: &mut Command) -> &mut Command {
        command
    }
    pub(crate) fn create_folder(path: &Path) -> Result<()> {
        std::fs::create_dir(path).map_err(|e| format!("cannot create {}: {e}", path.display()))
    }
    pub(crate) fn give_away(_: &Path) -> std::io::Result<()> {
        Ok(())
    }
    pub(crate) fn can_reach(_: &Path) -> bool {
        true
    }
    pub(crate) fn owns(_: &Path) -> bool {
        true
    }
    pub(crate) fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
        Ok(())
    }
    pub(crate) fn detach(command: &mut Command) -> &mut Command {
        command
    }
}

#[cfg(not(unix))]
pub(crate) use elsewhere::*;

/// Runs a command to its end; a failure tells what the command said.
pub(crate) fn run(command: &mut Command) -> crate::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {name}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
