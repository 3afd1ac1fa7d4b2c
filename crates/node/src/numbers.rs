//! Sockets by number, for the calls that every byte comes by.
//!
//! A method of a class costs a third of a microsecond before it does anything: napi-rs looks up what the object wraps,
//! checks its tag, and enters the borrow into a table under a lock. A function of numbers costs a third of that.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

/// What belongs to one thread's numbers. A number is given again only after whoever had it has left.
pub(crate) struct Numbers<T> {
    entries: RefCell<Vec<Option<Rc<T>>>>,
    free: RefCell<Vec<u32>>,
}

impl<T> Numbers<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: RefCell::new(Vec::new()), free: RefCell::new(Vec::new()) }
    }

    fn enter(&self, entry: Rc<T>) -> u32 {
        let mut entries = self.entries.borrow_mut();
        if let Some(number) = self.free.borrow_mut().pop() {
            entries[number as usize] = Some(entry);
            return number;
        }
        entries.push(Some(entry));
        // As many descriptors as there can be fit many times over.
        (entries.len() - 1) as u32
    }

    fn leave(&self, number: u32) {
        let left = self.entries.borrow_mut().get_mut(number as usize).and_then(Option::take);
        if left.is_some() {
            self.free.borrow_mut().push(number);
        }
    }

    /// Whoever has the number.
    pub(crate) fn get(&self, number: u32) -> Option<Rc<T>> {
        self.entries.borrow().get(number as usize)?.clone()
    }
}

/// A number that somebody has, until this is dropped.
pub(crate) struct Number<T: 'static> {
    number: u32,
    among: &'static LocalKey<Numbers<T>>,
}

impl<T> Number<T> {
    pub(crate) fn give(among: &'static LocalKey<Numbers<T>>, entry: Rc<T>) -> Self {
        Self { number: among.with(|numbers| numbers.enter(entry)), among }
    }

    pub(crate) const fn get(&self) -> u32 {
        self.number
    }
}

impl<T> Drop for Number<T> {
    fn drop(&mut self) {
        // At the end of a thread its numbers may be gone before what had them.
        let _ = self.among.try_with(|numbers| numbers.leave(self.number));
    }
}
