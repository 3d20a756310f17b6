//! Disks that fail: a file system of the rig's own, or system calls that are tampered with (strace(1), `--inject`).

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::nemesis::{Rig, find};
use crate::Result;

/// Bytes of a disk that can lose power.
const DISK_BYTES: u64 = 1 << 30;
/// Bytes of a disk that can be filled.
const SMALL_DISK: &str = "512m";

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: what a power cut leaves. (linux/fs/ext4/ext4.h)
const SHUT_DOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    /// The file that it lies in, if it does.
    image: Option<PathBuf>,
    is_mounted: bool,
}

/// Runs a program to its end; what it said is the error.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let path = find(program).ok_or_else(|| format!("there is no `{program}`"))?;
    let ran = Command::new(path).args(arguments).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("{program}: {error}"))?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&ran.stderr).trim())),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Why there can be no disk of one's own here, if so.
pub(super) fn obstacle() -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    Disk::of_ext4(folder.path()).err()
}

impl Disk {
    /// A disk that can lose power, in `folder`.
    pub(super) fn of_ext4(folder: &Path) -> Result<Self> {
        let (image, mount) = (folder.join("image"), folder.join("disk"));
        let make = || {
            fs::create_dir(&mount)?;
            File::create(&image)?.set_len(DISK_BYTES)
        };
        make().map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", &text(&image)])?;
        let mut disk = Self { folder: mount, image: Some(image), is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// A disk that can be filled, in `folder`.
    pub(super) fn of_tmpfs(folder: &Path) -> Result<Self> {
        let mount = folder.join("disk");
        fs::create_dir(&mount).map_err(|error| error.to_string())?;
        let mut disk = Self { folder: mount, image: None, is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&mut self) -> Result<()> {
        let folder = text(&self.folder);
        match &self.image {
            Some(image) => run("mount", &["-o", "loop", &text(image), &folder])?,
            None => run(
                "mount",
                &["-t", "tmpfs", "-o", &format!("size={SMALL_DISK}"), "tmpfs", &folder],
            )?,
        };
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<()> {
        run("umount", &[&text(&self.folder)])?;
        self.is_mounted = false;
        Ok(())
    }

    /// Where to put things.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily: whoever is still on it goes soon.
            let _ = run("umount", &["--lazy", &text(&self.folder)]);
        }
    }
}

/// Cuts the power of the disk, ends the processes, and starts the shop on what is left. Also says between which moments
/// acknowledgements do not count: a sync that is under way succeeds although its data is gone.
pub(super) async fn cut_power(rig: &mut Rig) -> Result<(String, (Instant, Instant))> {
    let disk = rig.disk.as_mut().ok_or("there is no disk to cut")?;
    let serving = rig.shop.serving();
    let from = Instant::now();
    run("python3", &["-c", SHUT_DOWN, &text(disk.folder())])?;
    rig.shop.kill_with(&serving);
    disk.unmount()?;
    disk.mount()?;
    // Until now, since customers may have heard late what was said early.
    let until = Instant::now();
    rig.shop.start_again()?;
    rig.shop.ready().await?;
    Ok(("the file system was shut down without its log".to_owned(), (from, until)))
}

/// Fills the disk, and frees it again.
pub(super) async fn fill(rig: &mut Rig, hold: Duration) -> Result<String> {
    let disk = rig.disk.as_ref().ok_or("there is no disk to fill")?;
    let path = disk.folder().join("filler");
    let filled = write_until_full(&path).map_err(|error| error.to_string());
    sleep(hold).await;
    fs::remove_file(&path).map_err(|error| error.to_string())?;
    if rig.shop.has_ended() {
        rig.shop.start_again()?;
    }
    rig.shop.ready().await?;
    filled.map(|bytes| format!("{bytes} bytes filled the disk for {hold:?}"))
}

fn write_until_full(path: &Path) -> std::io::Result<usize> {
    let mut file = File::create(path)?;
    let mut written = 0;
    for chunk in [vec![0; 1 << 20], vec![0; 1 << 10]] {
        loop {
            match file.write(&chunk) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(written)
}

/// Tampers with the syncs of the processes that serve.
pub(super) async fn inject(rig: &mut Rig, how: &str, hold: Duration) -> Result<String> {
    let log = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let strace = find("strace").ok_or("there is no `strace`")?;
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", &text(log.path())]);
    command.args(["-e", &format!("inject=fsync,fdatasync:{how}")]);
    for pid in rig.shop.serving() {
        command.args(["-p", &pid.as_raw_nonzero().to_string()]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("strace: {error}"))?;
    sleep(hold).await;
    // It lets go of the processes when it is asked to end.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::INT).map_err(|error| error.to_string())?;
    }
    child.wait().map_err(|error| error.to_string())?;
    if rig.shop.has_ended() {
        rig.shop.start_again()?;
    }
    rig.shop.ready().await?;
    let log = fs::read_to_string(log.path()).map_err(|error| error.to_string())?;
    match log.matches("INJECTED").count() + log.matches("DELAYED").count() {
        0 => Err("strace met no sync".to_owned()),
        count => Ok(format!("{count} syncs: {how}")),
    }
}
