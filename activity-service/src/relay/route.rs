//! Who is told of an event: one match.

use super::{
    clients::Clients,
    engine::Counts,
    followers::Followers,
    wire::{Event, Kind, Line},
};

/// Does what an event says and stages its line for those it concerns.
#[inline]
pub(crate) fn route(
    event: Event,
    line: &Line,
    followers: &mut Followers,
    clients: &mut Clients,
    counts: &mut Counts,
) {
    counts.notifications += match event.kind {
        Kind::Follow { from, to } => {
            counts.follows += 1;
            follow(from, to, followers, clients, counts);
            clients.tell(to, followers.number(to), line)
        }
        Kind::Unfollow { from, to } => {
            counts.unfollows += 1;
            followers.unfollow(from, to);
            0
        }
        Kind::Broadcast => {
            counts.broadcasts += 1;
            clients.tell_all(line)
        }
        Kind::Private { to, .. } => {
            counts.privates += 1;
            clients.tell(to, followers.number(to), line)
        }
        Kind::Status { from } => {
            counts.statuses += 1;
            followers.of(from).map_or(0, |set| clients.tell_set(set, line))
        }
    };
}

#[inline]
fn follow(from: u64, to: u64, followers: &mut Followers, clients: &mut Clients, counts: &mut Counts) {
    let known = followers.users();
    if followers.follow(from, to).is_err() {
        counts.refused_follows += 1;
    }
    if followers.users() != known {
        for id in [from, to] {
            if let Some(number) = followers.number(id).filter(|number| *number >= known) {
                clients.numbered(id, number);
            }
        }
    }
}
