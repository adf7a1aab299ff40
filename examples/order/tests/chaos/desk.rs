//! Where customers ask: two desks, with a process behind each, or nobody.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::faults::KILL_ME;
use crate::process::{READY, TASK, Task};
use crate::request::{Answer, Request};

pub(crate) const DESKS: usize = 2;

#[derive(Default)]
pub(crate) struct Desks {
    desks: [Mutex<Option<Process>>; DESKS],
    closed: AtomicBool,
}

/// Those who wait for an answer of a process; `None` once it is dead.
type Waiting = Arc<Mutex<Option<HashMap<Request, oneshot::Sender<Answer>>>>>;

pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    waiting: Waiting,
    words: Arc<Mutex<Vec<Word>>>,
    listening: JoinHandle<()>,
}

/// What a process says of itself.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Ready,
    KillMe,
}

impl Word {
    fn in_line(line: &str) -> Option<Self> {
        let ready = line.contains(READY).then_some(Self::Ready);
        ready.or(line.contains(KILL_ME).then_some(Self::KillMe))
    }
}

impl Desks {
    /// Gives nothing if there is nobody, or he dies before he answers.
    pub(crate) async fn ask(&self, desk: usize, request: Request) -> Option<Answer> {
        let answer = self.desks[desk].lock().unwrap().as_mut()?.ask(request)?;
        answer.await.ok()
    }

    pub(crate) fn sit(&self, desk: usize, process: Process) {
        *self.desks[desk].lock().unwrap() = Some(process);
    }

    pub(crate) fn leave(&self, desk: usize) -> Option<Process> {
        self.desks[desk].lock().unwrap().take()
    }

    /// What the process there has said of itself.
    pub(crate) fn heard(&self, desk: usize, word: Word) -> bool {
        let process = self.desks[desk].lock().unwrap();
        process.as_ref().is_some_and(|process| process.words.lock().unwrap().contains(&word))
    }

    /// Whether the process there has ended, which none does by itself.
    pub(crate) fn has_ended(&self, desk: usize) -> bool {
        let mut process = self.desks[desk].lock().unwrap();
        process.as_mut().is_some_and(|process| process.child.try_wait().unwrap().is_some())
    }

    /// Nobody comes any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

impl Process {
    pub(crate) fn start(task: &Task) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_shop_process", "--nocapture", "--test-threads=1"]);
        command.env(TASK, serde_json::to_string(task).unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let to_tell = Arc::clone(&waiting);
        let words = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&words);
        let listening = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard.lock().unwrap().extend(Word::in_line(&line));
                let Some((request, answer)) = Answer::parse(&line) else { continue };
                let asked = to_tell.lock().unwrap().as_mut().and_then(|waiting| waiting.remove(&request));
                if let Some(asked) = asked {
                    // He may have gone meanwhile.
                    let _ = asked.send(answer);
                }
            }
            // Whoever still waits hears that there will be no answer.
            *to_tell.lock().unwrap() = None;
        });
        Self { child, input, waiting, words, listening }
    }

    fn ask(&mut self, request: Request) -> Option<oneshot::Receiver<Answer>> {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().unwrap().as_mut()?.insert(request, tell);
        writeln!(self.input, "{}", request.line()).ok()?;
        Some(told)
    }

    /// By SIGKILL, if it is not dead yet.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.listening.join().unwrap();
        status
    }
}
