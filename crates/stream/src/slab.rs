//! Things that come and go, each at a place of its own for as long as it stays.

/// Things in one chunk: chunks are never moved, so that growing copies nothing, and small enough
/// that a task with little to keep takes little memory.
const CHUNK_LEN: usize = 64;

/// A place in a [`Slab`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u32);

impl Place {
    fn split(self) -> (usize, usize) {
        let place = self.0 as usize;
        (place / CHUNK_LEN, place % CHUNK_LEN)
    }
}

/// Things by place. A place that was left is the next to be taken. O(1) for everything but
/// [`iter`](Self::iter).
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Place>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Takes a thing in.
    pub(crate) fn put(&mut self, thing: T) -> Place {
        if let Some(place) = self.free.pop() {
            let (chunk, at) = place.split();
            self.chunks[chunk][at] = Some(thing);
            return place;
        }
        if self
            .chunks
            .last()
            .is_none_or(|chunk| chunk.len() == CHUNK_LEN)
        {
            self.chunks.push(Vec::with_capacity(CHUNK_LEN));
        }
        let chunk = self.chunks.len() - 1;
        let last = &mut self.chunks[chunk];
        last.push(Some(thing));
        Place((chunk * CHUNK_LEN + last.len() - 1) as u32)
    }

    /// What is at a place; `None` where it was taken out.
    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        let (chunk, at) = place.split();
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let (chunk, at) = place.split();
        self.chunks.get_mut(chunk)?.get_mut(at)?.as_mut()
    }

    /// Takes a thing out.
    pub(crate) fn take(&mut self, place: Place) -> Option<T> {
        let (chunk, at) = place.split();
        let gone = self.chunks.get_mut(chunk)?.get_mut(at)?.take();
        if gone.is_some() {
            self.free.push(place);
        }
        gone
    }

    /// Places that were ever given out.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Everything, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        let all = self.chunks.iter().flatten();
        (0..)
            .map(Place)
            .zip(all)
            .filter_map(|(place, thing)| Some((place, thing.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A slab is a map from the places it gives out.
        #[test]
        fn it_equals_a_map(steps in proptest::collection::vec(proptest::option::of(0..200_u32), 0..400)) {
            let (mut slab, mut twin) = (Slab::default(), BTreeMap::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    None => {
                        let place = slab.put(number);
                        prop_assert_eq!(twin.insert(place, number), None, "a place is given out once");
                    }
                    Some(place) => {
                        let place = Place(place);
                        prop_assert_eq!(slab.take(place), twin.remove(&place));
                    }
                }
                if let Some((&place, known)) = twin.iter_mut().next() {
                    *known += 1;
                    *slab.get_mut(place).unwrap() += 1;
                }
            }
            for place in (0..450).map(Place) {
                prop_assert_eq!(slab.get(place), twin.get(&place));
            }
            let all: Vec<_> = slab.iter().map(|(place, thing)| (place, *thing)).collect();
            prop_assert_eq!(all, twin.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn places_are_used_again_and_chunks_stay_where_they_are() {
        let mut slab = Slab::default();
        let places: Vec<Place> = (0..CHUNK_LEN + 1).map(|number| slab.put(number)).collect();
        let first: *const Option<usize> = &raw const slab.chunks[0][0];
        for &place in &places {
            slab.take(place);
        }
        for number in 0..2 * CHUNK_LEN {
            slab.put(number);
        }
        assert_eq!(slab.chunks.len(), 2);
        assert_eq!(&raw const slab.chunks[0][0], first);
    }
}
