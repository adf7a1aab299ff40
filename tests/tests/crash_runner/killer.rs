//! Who starts processes, one or two at a time, and kills them: at any moment, or right inside a batch. Some are only frozen there
//! until another has taken over.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::PATIENCE;
use crate::process::{BATCH, HELD, HOLD, HOW, How, INSIDE, URL};
use crate::random::Random;

/// How it went.
#[derive(Debug, Default)]
pub struct Kills {
    pub all: u32,
    /// Those that hit the process inside a batch, for certain.
    pub inside: u32,
    /// Processes that slept inside a batch until somebody else had taken over, and then woke up.
    pub slept: u32,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, inside, slept } = self;
        write!(f, "{all} kills, {inside} of them inside a batch, {slept} slept past their lease inside one")
    }
}

/// What a process is heard to say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Inside,
    Held,
}

/// A process that runs projections.
struct Victim {
    child: Child,
    listening: Option<JoinHandle<()>>,
    /// It will stay inside one of its batches.
    holds: bool,
}

pub struct Killer {
    url: String,
    how: How,
    random: Random,
    alive: Vec<Victim>,
    says: Sender<(u32, Said)>,
    heard: Receiver<(u32, Said)>,
    kills: Kills,
}

impl Killer {
    pub fn new(url: &str, how: How, random: Random) -> Self {
        let (says, heard) = channel();
        Self { url: url.to_owned(), how, random, alive: Vec::new(), says, heard, kills: Kills::default() }
    }

    /// Kills so many, a quarter of them inside a batch at the least, and then those that are left.
    pub fn kill_them(mut self, kills: u32) -> Kills {
        while self.kills.all < kills || self.kills.inside < kills.div_ceil(4) {
            let wanted = if self.random.percent(50) { 2 } else { 1 };
            while self.alive.len() < wanted {
                self.start();
            }
            match self.hear() {
                (owner, Said::Held) if self.random.percent(30) => self.freeze(owner),
                (owner, Said::Held) => self.kill_inside(owner),
                // It will be held, and then there is more to say.
                (owner, Said::Inside) if self.victim(owner).is_some_and(|victim| victim.holds) => {}
                (owner, Said::Inside) => {
                    std::thread::sleep(Duration::from_micros(self.random.below(40_000)));
                    self.kill(owner);
                }
            }
        }
        while let Some(victim) = self.alive.first() {
            self.kill(victim.child.id());
        }
        std::mem::take(&mut self.kills)
    }

    fn start(&mut self) {
        let hold = if self.random.percent(65) { 1 + self.random.below(9) } else { 0 };
        let batch = [1, 3, 10, 100][self.random.index(4)];
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_runner_process", "--nocapture", "--test-threads=1"]);
        command.env(URL, &self.url).env(HOW, format!("{:?}", self.how));
        command.env(HOLD, hold.to_string()).env(BATCH, batch.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (id, says) = (child.id(), self.says.clone());
        let listening = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let held = line.contains(HELD).then_some(Said::Held);
                if let Some(said) = held.or(line.contains(INSIDE).then_some(Said::Inside)) {
                    let _ = says.send((id, said));
                }
            }
        });
        self.alive.push(Victim { child, listening: Some(listening), holds: hold > 0 });
    }

    /// What one of those that live has said; there may be more of the dead.
    fn hear(&mut self) -> (u32, Said) {
        loop {
            let (id, said) = self.heard.recv_timeout(PATIENCE).expect("some process takes in events");
            for victim in &mut self.alive {
                assert!(victim.child.try_wait().unwrap().is_none(), "a process ended by itself");
            }
            if self.victim(id).is_some() {
                return (id, said);
            }
        }
    }

    fn victim(&mut self, id: u32) -> Option<&mut Victim> {
        self.alive.iter_mut().find(|victim| victim.child.id() == id)
    }

    fn kill_inside(&mut self, id: u32) {
        self.kills.inside += 1;
        self.kill(id);
    }

    fn kill(&mut self, id: u32) {
        let at = self.alive.iter().position(|victim| victim.child.id() == id).unwrap();
        drop(self.alive.swap_remove(at));
        self.kills.all += 1;
    }

    /// Until another one is at work; then it wakes up, still inside its batch, and goes on.
    fn freeze(&mut self, sleeper: u32) {
        signal("-STOP", sleeper);
        if self.alive.len() < 2 {
            self.start();
        }
        let (heir, said) = loop {
            match self.hear() {
                (id, _) if id == sleeper => {}
                heard => break heard,
            }
        };
        signal("-CONT", sleeper);
        let victim = self.victim(sleeper).unwrap();
        victim.holds = false;
        writeln!(victim.child.stdin.as_mut().unwrap(), "go on").unwrap();
        self.kills.slept += 1;
        if said == Said::Held {
            self.kill_inside(heir);
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
        self.listening.take().unwrap().join().unwrap();
    }
}

fn signal(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}
