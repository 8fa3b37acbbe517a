// SPDX-License-Identifier: GPL-2.0

//! The traffic: TCP flows from the client to the server, and packets there and back.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::delays::Delays;
use crate::link::{Plan, SERVER};
use crate::space::Space;

/// Of the TCP server, and of the one that sends packets back.
const PORT: u16 = 5001;

/// From one packet of the thin flow to the next, on average.
const INTERVAL: Duration = Duration::from_millis(20);

/// How often everybody looks whether the end has come.
const LOOK: Duration = Duration::from_millis(100);

/// How long connections may take to come about, and packets to come back after the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a queue did to the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What arrived of the TCP flows, all in all, in Mbit/s.
    pub mbit: f64,
    /// Round trips of the thin flow's packets.
    pub delays: Delays,
    /// Packets of the thin flow that did not come back.
    pub lost: usize,
}

/// Whether a socket has merely nothing to do.
fn is_idle(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// What all threads of a measurement know.
struct Load {
    /// Whether nobody sends any more.
    end: AtomicBool,
    /// Whether nobody waits for an answer any more.
    answered: AtomicBool,
    /// Bytes that arrived.
    bytes: AtomicU64,
}

/// Sends for as long as the plan says, and measures.
pub fn load(client: &Space, server: &Space, plan: &Plan) -> Result<Measured> {
    let listener = server.enter(|| Ok(TcpListener::bind(("0.0.0.0", PORT))?))?;
    let echo = server.enter(|| Ok(UdpSocket::bind(("0.0.0.0", PORT))?))?;
    let thin = client.enter(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
    thin.connect((SERVER, PORT))?;
    let load = &Load {
        end: AtomicBool::new(false),
        answered: AtomicBool::new(false),
        bytes: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        let answer = scope.spawn(move || load.answer(&echo));
        let senders: Vec<_> = (0..plan.flows)
            .map(|_| scope.spawn(|| load.send(client)))
            .collect();
        let outcome = accept(&listener, plan.flows).and_then(|streams| {
            for stream in streams {
                scope.spawn(move || load.receive(stream));
            }
            let from = Instant::now() + plan.warm_up;
            let ping = scope.spawn(move || load.ping(&thin, from));
            sleep(plan.warm_up);
            let (start, before) = (Instant::now(), load.bytes.load(Relaxed));
            sleep(plan.time);
            let bytes = load.bytes.load(Relaxed) - before;
            let seconds = start.elapsed().as_secs_f64();
            load.end.store(true, Relaxed);
            let (delays, lost) = ping.join().expect("it does not panic")?;
            ensure!(delays.count() > 0, "no packet came back");
            Ok(Measured {
                mbit: bytes as f64 * 8e-6 / seconds,
                delays,
                lost,
            })
        });
        load.end.store(true, Relaxed);
        load.answered.store(true, Relaxed);
        let mut threads = vec![answer.join().expect("it does not panic")];
        threads.extend(senders.into_iter().map(|it| it.join().expect("nor this")));
        // How many flows got through says more than that one of them did not.
        let measured = outcome?;
        threads.into_iter().collect::<Result<()>>()?;
        Ok(measured)
    })
}

fn accept(listener: &TcpListener, flows: u32) -> Result<Vec<TcpStream>> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    let mut streams = Vec::new();
    while streams.len() < flows as usize {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(LOOK))?;
                streams.push(stream);
            }
            Err(error) if is_idle(&error) && start.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => {
                let count = streams.len();
                return Err(error).context(format!("{count} of {flows} flows got through"));
            }
        }
    }
    Ok(streams)
}

impl Load {
    fn is_over(&self) -> bool {
        self.end.load(Relaxed)
    }

    /// A flow, from the client.
    fn send(&self, client: &Space) -> Result<()> {
        let server = SocketAddr::new(SERVER.parse()?, PORT);
        let stream = client.enter(|| Ok(TcpStream::connect_timeout(&server, PATIENCE)?));
        let mut stream = stream.context("cannot connect to the server")?;
        stream.set_write_timeout(Some(LOOK))?;
        let bytes = [0; 1 << 14];
        while !self.is_over() {
            match stream.write(&bytes) {
                Ok(_) => {}
                Err(error) if is_idle(&error) => {}
                // The server has left first.
                Err(_) if self.is_over() => break,
                Err(error) => return Err(error).context("a flow broke off"),
            }
        }
        Ok(())
    }

    /// A flow, at the server.
    fn receive(&self, mut stream: TcpStream) {
        let mut bytes = [0; 1 << 14];
        while !self.is_over() {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => {
                    self.bytes.fetch_add(count as u64, Relaxed);
                }
                Err(error) if is_idle(&error) => {}
                // The sender tells.
                Err(_) => return,
            }
        }
    }

    /// Sends packets back until nobody waits for them.
    fn answer(&self, socket: &UdpSocket) -> Result<()> {
        socket.set_read_timeout(Some(LOOK))?;
        let mut bytes = [0; 64];
        while !self.answered.load(Relaxed) {
            match socket.recv_from(&mut bytes) {
                Ok((count, from)) => {
                    // The queue on the way may have no room.
                    let _ = socket.send_to(&bytes[..count], from);
                }
                Err(error) if is_idle(&error) => {}
                Err(error) => return Err(error).context("the server"),
            }
        }
        Ok(())
    }

    /// The thin flow. Packets sent before `from` do not count; returns how long the others
    /// took, and how many did not come back.
    fn ping(&self, socket: &UdpSocket, from: Instant) -> Result<(Delays, usize)> {
        socket.set_read_timeout(Some(LOOK))?;
        let mut thin = Thin {
            socket,
            epoch: Instant::now(),
            delays: BTreeMap::new(),
        };
        let epoch = thin.epoch;
        let sent = thread::scope(|scope| {
            let sender = scope.spawn(|| self.send_pings(socket, epoch));
            while !sender.is_finished() {
                thin.hear()?;
            }
            anyhow::Ok(sender.join().expect("it does not panic"))
        })?;
        // Those that are under way are the ones that took longest.
        let end = Instant::now();
        while thin.delays.len() < sent.len() && end.elapsed() < 2 * LOOK + thin.longest() {
            thin.hear()?;
        }
        let first = sent.partition_point(|&start| epoch + start < from);
        let delays: Delays = thin
            .delays
            .range(first..)
            .map(|(_, delay)| *delay)
            .collect();
        let lost = (sent.len() - first).saturating_sub(delays.count());
        Ok((delays, lost))
    }

    /// Sends the packets of the thin flow, each with its number and its time since `epoch`.
    /// Returns the times.
    ///
    /// The pauses are those of a Poisson process (RFC 2330, section 11.1.1): packets at equal
    /// distances fall into step with a queue that serves its flows in turn, and see it at its
    /// best or at its worst alone. None is longer than [`LOOK`], which one in 150 would be.
    fn send_pings(&self, socket: &UdpSocket, epoch: Instant) -> Vec<Duration> {
        let mut sent = Vec::new();
        let mut bytes = [0; 64];
        let mut next = Instant::now();
        while !self.is_over() {
            let now = epoch.elapsed();
            bytes[..8].copy_from_slice(&(sent.len() as u64).to_ne_bytes());
            bytes[8..16].copy_from_slice(&(now.as_nanos() as u64).to_ne_bytes());
            sent.push(now);
            // A full queue counts as a packet that is lost.
            let _ = socket.send(&bytes);
            let pause = INTERVAL.mul_f64(-(1.0 - fastrand::f64()).ln());
            next += pause.min(LOOK);
            sleep(next.saturating_duration_since(Instant::now()));
        }
        sent
    }
}

/// What has come back of the thin flow.
struct Thin<'a> {
    socket: &'a UdpSocket,
    /// What its packets count their time from.
    epoch: Instant,
    /// How many milliseconds each took, by its number.
    delays: BTreeMap<usize, f64>,
}

impl Thin<'_> {
    /// Takes a packet that has come back, if one has. Of one that was doubled on its way the
    /// first counts.
    fn hear(&mut self) -> Result<()> {
        let mut bytes = [0; 64];
        match self.socket.recv(&mut bytes) {
            Ok(16..) => {
                let number = u64::from_ne_bytes(bytes[..8].try_into()?);
                let start = Duration::from_nanos(u64::from_ne_bytes(bytes[8..16].try_into()?));
                let delay = self.epoch.elapsed().checked_sub(start);
                let delay = delay.context("a packet came back that was not sent")?;
                let delay = delay.as_secs_f64() * 1e3;
                self.delays.entry(number as usize).or_insert(delay);
                Ok(())
            }
            Ok(_) => bail!("a packet came back in part"),
            Err(error) if is_idle(&error) => Ok(()),
            Err(error) => Err(error).context("the thin flow"),
        }
    }

    /// The longest delay, but no longer than anybody waits.
    fn longest(&self) -> Duration {
        let longest = self.delays.values().copied().fold(0.0, f64::max);
        Duration::from_secs_f64(longest / 1e3).min(PATIENCE)
    }
}
