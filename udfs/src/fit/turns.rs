//! Whose turn is it to have the threads?
//!
//! The statement that has waited longest since its last turn goes first. Of the lists of one statement, such as those of
//! a query's partitions, the oldest goes first: it is finished early and handed on while the next one is worked on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tarn_gpu::control::CancelToken;
use tarn_gpu::error::GpuError;

/// How often a waiting list looks at its cancel token.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// Threads, and those who wait for them.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    free_threads: usize,
    lists_seen: u64,
    /// Turns taken so far.
    turns: u64,
    /// Statements with lists, known by their tokens.
    statements: Vec<Statement>,
    /// Lists that wait.
    waiting: Vec<u64>,
}

#[derive(Debug)]
struct Statement {
    token: CancelToken,
    lists: Vec<u64>,
    /// Twice the number of its last turn. A statement that has just come is placed right before the one that was served
    /// last: it waits for at most one turn of each other, and no stream of new ones holds up an old one.
    place: u64,
}

/// A list of pieces of work, known to the queue while this value lives.
#[derive(Debug)]
pub(super) struct List<'a> {
    turns: &'a Turns,
    token: CancelToken,
    number: u64,
}

/// Threads taken from the queue, given back with this value.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    turns: &'a Turns,
    threads: usize,
}

impl Turns {
    /// Turns at so many threads.
    pub(super) fn of(threads: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free_threads: threads,
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    /// A new list of the statement that holds this token.
    pub(super) fn list(&self, token: &CancelToken) -> List<'_> {
        let mut state = self.lock();
        state.lists_seen += 1;
        let number = state.lists_seen;
        let place = (2 * state.turns).saturating_sub(1);
        let known = state.statement_of(token);
        match known {
            Some(statement) => statement.lists.push(number),
            None => state.statements.push(Statement {
                token: token.clone(),
                lists: vec![number],
                place,
            }),
        }
        List {
            turns: self,
            token: token.clone(),
            number,
        }
    }

    #[cfg(test)]
    pub(super) fn free_threads(&self) -> usize {
        self.lock().free_threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn statement_of(&mut self, token: &CancelToken) -> Option<&mut Statement> {
        let mut statements = self.statements.iter_mut();
        statements.find(|statement| statement.token.same_as(token))
    }

    /// The waiting list whose turn is next.
    fn next(&self) -> Option<u64> {
        let place = |list: &u64| {
            let mut statements = self.statements.iter();
            let own = statements.find(|statement| statement.lists.contains(list));
            own.map_or(0, |statement| statement.place)
        };
        let waiting = self.waiting.iter();
        waiting.min_by_key(|list| (place(list), **list)).copied()
    }
}

impl List<'_> {
    /// Waits for the list's turn and takes up to `wanted` threads.
    ///
    /// # Errors
    /// [`GpuError::Cancelled`] when the statement is cancelled while it waits.
    pub(super) fn take_turn(&self, wanted: usize) -> Result<Permit<'_>, GpuError> {
        let mut state = self.turns.lock();
        state.waiting.push(self.number);
        loop {
            if state.free_threads > 0 && state.next() == Some(self.number) {
                state.waiting.retain(|&list| list != self.number);
                let threads = wanted.clamp(1, state.free_threads);
                state.free_threads -= threads;
                state.turns += 1;
                let place = 2 * state.turns;
                if let Some(statement) = state.statement_of(&self.token) {
                    statement.place = place;
                }
                self.turns.changed.notify_all();
                return Ok(Permit {
                    turns: self.turns,
                    threads,
                });
            }
            if self.token.is_cancelled() {
                state.waiting.retain(|&list| list != self.number);
                self.turns.changed.notify_all();
                return Err(GpuError::Cancelled);
            }
            let waited = self.turns.changed.wait_timeout(state, CANCEL_POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        for statement in &mut state.statements {
            statement.lists.retain(|&list| list != self.number);
        }
        state
            .statements
            .retain(|statement| !statement.lists.is_empty());
    }
}

impl Permit<'_> {
    /// How many threads were taken.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.turns.lock().free_threads += self.threads;
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who gets the next turn when all of these wait.
    fn next_of(turns: &Turns, waiting: &[&List<'_>]) -> u64 {
        let mut state = turns.lock();
        state.waiting = waiting.iter().map(|list| list.number).collect();
        let next = state.next().unwrap();
        state.waiting.clear();
        next
    }

    #[test]
    fn statements_alternate_and_lists_of_one_follow_each_other() {
        let turns = Turns::of(1);
        let (long, other) = (CancelToken::new(), CancelToken::new());
        let (first, second) = (turns.list(&long), turns.list(&long));
        drop(first.take_turn(1).unwrap());
        assert_eq!(next_of(&turns, &[&second, &first]), first.number);
        let short = turns.list(&other);
        assert_eq!(next_of(&turns, &[&first, &second, &short]), short.number);
        drop(short.take_turn(1).unwrap());
        assert_eq!(next_of(&turns, &[&first, &second, &short]), first.number);
        let newest = turns.list(&CancelToken::new());
        assert_eq!(next_of(&turns, &[&first, &newest]), first.number);
        drop(first.take_turn(1).unwrap());
        assert_eq!(next_of(&turns, &[&first, &short, &newest]), newest.number);
        drop(first);
        drop((second, short, newest));
        assert!(turns.lock().statements.is_empty());
        assert_eq!(turns.free_threads(), 1);
    }
}
