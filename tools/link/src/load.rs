// SPDX-License-Identifier: GPL-2.0

//! Generates the traffic: TCP flows from the client to the server, and UDP packets both ways.

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

/// The port of the TCP server, and of the UDP server that sends packets back.
const PORT: u16 = 5001;

/// The mean interval between two packets of the thin flow.
const INTERVAL: Duration = Duration::from_millis(20);

/// How often each thread checks whether the measurement has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The time limit for connecting, and for packets to come back after the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The measured effects of a queue on the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The received rate of all TCP flows together, in Mbit/s.
    pub mbit: f64,
    /// The round-trip times of the thin flow's packets.
    pub delays: Delays,
    /// The number of packets of the thin flow that did not come back.
    pub lost: usize,
}

/// Returns whether an error only means that a socket has nothing to do.
fn is_idle(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The state that all threads of a measurement share.
struct Load {
    /// Whether sending has ended.
    end: AtomicBool,
    /// Whether no thread waits for an answer any more.
    answered: AtomicBool,
    /// The number of received bytes of the TCP flows.
    bytes: AtomicU64,
}

/// Sends as long as the plan specifies, and measures.
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
        // The error with the number of connected flows says more than the error of a single flow,
        // so it comes first.
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

    /// Sends a TCP flow from the client.
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
                // The server has closed the connection first, at the end of the measurement.
                Err(_) if self.is_over() => break,
                Err(error) => return Err(error).context("a flow broke off"),
            }
        }
        Ok(())
    }

    /// Receives a TCP flow at the server.
    fn receive(&self, mut stream: TcpStream) {
        let mut bytes = [0; 1 << 14];
        while !self.is_over() {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => {
                    self.bytes.fetch_add(count as u64, Relaxed);
                }
                Err(error) if is_idle(&error) => {}
                // The sender returns the error of a broken connection.
                Err(_) => return,
            }
        }
    }

    /// Sends UDP packets back until no thread waits for them.
    fn answer(&self, socket: &UdpSocket) -> Result<()> {
        socket.set_read_timeout(Some(LOOK))?;
        let mut bytes = [0; 64];
        while !self.answered.load(Relaxed) {
            match socket.recv_from(&mut bytes) {
                Ok((count, from)) => {
                    // The queue on the way may be full. Then the packet counts as lost.
                    let _ = socket.send_to(&bytes[..count], from);
                }
                Err(error) if is_idle(&error) => {}
                Err(error) => return Err(error).context("the server"),
            }
        }
        Ok(())
    }

    /// Runs the thin flow. Packets that are sent before `from` do not count. Returns the
    /// round-trip times of the others, and the number of packets that did not come back.
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
        // The packets still under way are those with the longest delays, so they must be waited
        // for.
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
    /// The pauses are those of a Poisson process (RFC 2330, section 11.1.1). Packets at equal
    /// intervals would synchronize with a queue that serves its flows in turn, and would see only
    /// its best or its worst state. Pauses are limited to [`LOOK`]; one in 150 would be longer.
    fn send_pings(&self, socket: &UdpSocket, epoch: Instant) -> Vec<Duration> {
        let mut sent = Vec::new();
        let mut bytes = [0; 64];
        let mut next = Instant::now();
        while !self.is_over() {
            let now = epoch.elapsed();
            bytes[..8].copy_from_slice(&(sent.len() as u64).to_ne_bytes());
            bytes[8..16].copy_from_slice(&(now.as_nanos() as u64).to_ne_bytes());
            sent.push(now);
            // If the queue is full, the packet counts as lost.
            let _ = socket.send(&bytes);
            let pause = INTERVAL.mul_f64(-(1.0 - fastrand::f64()).ln());
            next += pause.min(LOOK);
            sleep(next.saturating_duration_since(Instant::now()));
        }
        sent
    }
}

/// The packets of the thin flow that have come back.
struct Thin<'a> {
    socket: &'a UdpSocket,
    /// The start of the times in the packets.
    epoch: Instant,
    /// The round-trip time of each packet in milliseconds, by the packet's number.
    delays: BTreeMap<usize, f64>,
}

impl Thin<'_> {
    /// Receives a packet that has come back, if there is one. If a packet was duplicated on its
    /// way, only the first copy counts.
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

    /// Returns the longest delay, but at most [`PATIENCE`].
    fn longest(&self) -> Duration {
        let longest = self.delays.values().copied().fold(0.0, f64::max);
        Duration::from_secs_f64(longest / 1e3).min(PATIENCE)
    }
}
