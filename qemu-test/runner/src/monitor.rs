// SPDX-License-Identifier: GPL-2.0

//! Implements a client of QEMU's monitor (QMP), which saves a guest into a file and loads it again.
//!
//! Source: `qapi/migration.json` and `docs/devel/migration/mapped-ram.rst` of QEMU. The file has a
//! fixed place for each page of memory, and holes for pages that are zero. So it takes as much
//! space as the memory that the guest has used.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, Context, Result};
use qapi::qmp::{self, MigrationCapability, MigrationCapabilityStatus, MigrationStatus};
use qapi::{Command, Qmp, Stream};

use crate::interrupt::Interrupt;
use crate::process::{Running, POLL};
use crate::qemu::text;

/// The time limit for one step of QEMU. On a busy host a step takes seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// The limit for QEMU in bytes per second: more than any disk writes. The guest is paused, so no
/// limit is needed.
const BANDWIDTH: u64 = 1 << 40;

type Connection = Qmp<Stream<BufReader<UnixStream>, UnixStream>>;

/// The error when QEMU cannot load a file, because it is not complete or comes from another
/// machine.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qemu refuses the saved state: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A connection to the monitor of a running QEMU.
pub struct Monitor {
    connection: Connection,
}

impl Monitor {
    /// Connects to the `socket` of `qemu`, which may have just been started.
    ///
    /// # Errors
    /// Fails when QEMU ends or does not answer for 120 s, and with
    /// [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
    pub fn connect(socket: &Path, qemu: &mut Running, interrupt: &Interrupt) -> Result<Self> {
        let start = Instant::now();
        let stream = loop {
            interrupt.check()?;
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if start.elapsed() >= LIMIT => {
                    return Err(error).context("cannot connect to QEMU's monitor");
                }
                Err(_) => {}
            }
            if let Some(status) = qemu.try_wait()? {
                bail!("qemu ended with {status}");
            }
            sleep(POLL / 10);
        };
        stream.set_read_timeout(Some(LIMIT))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        // The crate expects a greeting from QEMU and does not handle its absence.
        if reader.fill_buf().context("QEMU's monitor")?.is_empty() {
            bail!("QEMU closed its monitor");
        }
        let mut connection = Qmp::new(Stream::new(reader, stream));
        connection.handshake().map_err(failed)?;
        let mut monitor = Self { connection };
        monitor.prepare()?;
        Ok(monitor)
    }

    /// Saves the guest into the new file `path`. The guest stays paused after that.
    ///
    /// # Errors
    /// Fails when QEMU cannot write the file (the disk is full, for example), and with
    /// [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
    pub fn save(&mut self, path: &Path, interrupt: &Interrupt) -> Result<()> {
        self.run(&qmp::stop {})?;
        self.run(&qmp::migrate {
            uri: Some(uri(path)?),
            channels: None,
            detach: None,
            resume: None,
        })?;
        match self.wait_for_migration(interrupt)? {
            Some(reason) => bail!("qemu: {reason}"),
            None => Ok(()),
        }
    }

    /// Loads the guest from the file `path`. QEMU must have been started with `-incoming defer` and
    /// the machine that was saved. The guest stays paused.
    ///
    /// # Errors
    /// Fails with [`Refused`] when the file is not complete or comes from another machine, when
    /// QEMU does not answer, and with [`Interrupted`](crate::interrupt::Interrupted) when the user
    /// interrupts.
    pub fn load(&mut self, path: &Path, interrupt: &Interrupt) -> Result<()> {
        self.run(&qmp::migrate_incoming {
            uri: Some(uri(path)?),
            channels: None,
            exit_on_error: Some(false),
        })?;
        match self.wait_for_migration(interrupt)? {
            Some(reason) => Err(Refused(reason).into()),
            None => Ok(()),
        }
    }

    /// Lets the guest run.
    ///
    /// # Errors
    /// Fails when QEMU refuses or does not answer.
    pub fn resume(&mut self) -> Result<()> {
        self.run(&qmp::cont {}).map(|_| ())
    }

    fn prepare(&mut self) -> Result<()> {
        let on = |capability| MigrationCapabilityStatus {
            capability,
            state: true,
        };
        self.run(&qmp::migrate_set_capabilities {
            capabilities: vec![on(MigrationCapability::mapped_ram)],
        })?;
        let parameters = serde_json::json!({ "max-bandwidth": BANDWIDTH });
        let parameters = serde_json::from_value(parameters).context("parameters")?;
        self.run(&qmp::migrate_set_parameters(parameters))?;
        Ok(())
    }

    fn run<C: Command>(&mut self, command: &C) -> Result<C::Ok> {
        self.connection.execute(command).map_err(failed)
    }

    /// Waits until the migration has ended. Returns the reason if it has failed.
    fn wait_for_migration(&mut self, interrupt: &Interrupt) -> Result<Option<String>> {
        let start = Instant::now();
        loop {
            interrupt.check()?;
            let info = self.run(&qmp::query_migrate {})?;
            match info.status {
                Some(MigrationStatus::completed) => return Ok(None),
                Some(MigrationStatus::failed | MigrationStatus::cancelled) => {
                    let reason = info.error_desc.unwrap_or_else(|| "no reason given".into());
                    return Ok(Some(reason));
                }
                _ if start.elapsed() >= LIMIT => bail!("qemu takes longer than {LIMIT:?}"),
                _ => sleep(POLL / 10),
            }
        }
    }
}

fn uri(path: &Path) -> Result<String> {
    Ok(format!("file:{}", text(path)?))
}

fn failed(error: qapi::ExecuteError) -> anyhow::Error {
    match error {
        qapi::ExecuteError::Qapi(error) => anyhow!("qemu: {}", error.desc),
        qapi::ExecuteError::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
            anyhow!("QEMU's monitor does not answer")
        }
        qapi::ExecuteError::Io(error) => anyhow::Error::from(error).context("QEMU's monitor"),
    }
}
