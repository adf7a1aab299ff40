//! Customers and suppliers, who do one thing after the other, and ask for each until they have an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::chance;
use crate::desk::{DESKS, Desks};
use crate::process::Task;
use crate::random::Random;
use crate::request::{Answer, Request};

/// The longest pause before the next step of a plan, in milliseconds: some wait until their order is under way.
const LONGEST_PAUSE: u64 = 400;
/// And before the same thing is asked for again.
const LONGEST_WAIT: u64 = 60;
/// How often somebody asks both processes at once, in a hundred times.
const IMPATIENT: u64 = 20;

pub(crate) struct Customers {
    seed: u64,
    /// How many steps each plan has.
    plans: Vec<usize>,
    /// They come one after the other, for about half of this time.
    come_within: Duration,
}

/// What all people were told in the end.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) answers: BTreeMap<Request, Answer>,
    /// Requests whose two answers differed.
    pub(crate) differed: Vec<String>,
    pub(crate) tries: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, asked {} times", self.answers.len(), self.tries)
    }
}

impl Customers {
    pub(crate) fn new(task: &Task, come_within: Duration) -> Self {
        Self { seed: task.seed, plans: task.plans().iter().map(Vec::len).collect(), come_within: come_within / 2 }
    }

    pub(crate) async fn are_served(&self, desks: &Arc<Desks>) -> Told {
        let mut people = JoinSet::new();
        for (person, &steps) in self.plans.iter().enumerate() {
            let mut random = chance(self.seed, 10_000 + person as u64);
            let comes_after =
                self.come_within.mul_f64(f64::from(u32::try_from(random.below(1_000)).unwrap()) / 1_000.0);
            let desks = Arc::clone(desks);
            people.spawn(async move {
                sleep(comes_after).await;
                follow_plan(person, steps, &desks, random).await
            });
        }
        let mut all = Told::default();
        while let Some(told) = people.join_next().await {
            let Told { answers, differed, tries } = told.unwrap();
            all.answers.extend(answers);
            all.differed.extend(differed);
            all.tries += tries;
        }
        all
    }
}

async fn follow_plan(person: usize, steps: usize, desks: &Desks, mut random: Random) -> Told {
    let mut told = Told::default();
    for step in 0..steps {
        let request = Request { person, step };
        let answer = ask_until_answered(request, desks, &mut random, &mut told).await;
        told.answers.insert(request, answer);
        sleep(Duration::from_millis(random.below(LONGEST_PAUSE))).await;
    }
    told
}

async fn ask_until_answered(request: Request, desks: &Desks, random: &mut Random, told: &mut Told) -> Answer {
    loop {
        told.tries += 1;
        let desk = random.index(DESKS);
        let answers = if random.percent(IMPATIENT) {
            let (one, two) = tokio::join!(desks.ask(desk, request), desks.ask(1 - desk, request));
            [one, two]
        } else {
            [desks.ask(desk, request).await, None]
        };
        let mut settled = answers.into_iter().flatten().filter(|answer| !matches!(answer, Answer::Failed(_)));
        if let Some(answer) = settled.next() {
            let other = settled.next().filter(|other| *other != answer);
            told.differed.extend(other.map(|other| format!("{request:?} was answered {answer:?} and {other:?}")));
            return answer;
        }
        sleep(Duration::from_millis(random.below(LONGEST_WAIT))).await;
    }
}
