//! The supervisor itself.

use std::{
    collections::HashMap,
    fs::File,
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use holdfast_types::{Code, Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    Plan, SlotState, State,
    keeper::{Command, Keeper},
    process::Process,
    state::StateFile,
};

/// How long a whole rolling restart may take.
const ROLL_TIME: Duration = Duration::from_secs(600);

/// Keeps the processes of `plan` running until SIGTERM or Ctrl-C; SIGHUP restarts them one by one.
/// Takes over what an earlier supervisor left running. `tell` is called once everything was started.
/// Fails when another supervisor is at work, or when the address is taken.
pub async fn supervise(plan: Plan, tell: impl FnOnce(SocketAddr)) -> Result<()> {
    let _only_one = lock(&plan.state)?;
    let before = State::read(&plan.state).unwrap_or_default();
    let mut adopted: HashMap<String, Process> = before
        .slots
        .iter()
        .filter_map(|slot| Some((slot.name.clone(), Process::adopt(slot)?)))
        .collect();
    let listener = Arc::new(listener(&plan, &before, &adopted)?);
    let address = listener.local_addr().map_err(Error::internal)?;
    if plan.listen.port() != 0 && plan.listen != address {
        let why = format!(
            "the processes that are running listen on {address}, not on {}: end them first",
            plan.listen
        );
        return Err(Error::new(Code::InvalidParameter, why));
    }
    let planned = plan.slots.iter().map(|slot| (&slot.name, slot.address));
    let known = before.slots.iter().map(|slot| (&slot.name, slot.address));
    // Those that were taken over know the others by their arguments.
    let is_other_plan = !adopted.is_empty() && !planned.eq(known);
    let state_file = StateFile::new(plan.state.clone(), first_state(&plan, address, &before));
    let state_file = Arc::new(state_file.map_err(|error| Error::io(plan.state.display(), error))?);
    let plan = Arc::new(plan);
    let mut keepers = Vec::new();
    for slot in plan.slots.clone() {
        let (orders, receiver) = mpsc::channel(1);
        let process = adopted.remove(&slot.name);
        if let Some(process) = &process {
            tracing::info!(slot = slot.name, pid = process.pid, "taken over");
        }
        let keeper = Keeper::new(&plan, slot, &listener, &state_file);
        keepers.push((orders, tokio::spawn(keeper.keep(process, receiver))));
    }
    // Slots that are in the plan no more.
    adopted.values().for_each(Process::terminate);
    tell(address);
    let orders: Vec<_> = keepers.into_iter().map(|(orders, _)| orders).collect();
    if is_other_plan {
        roll_and_note(&orders, &state_file).await;
    }
    obey(&orders, &state_file).await?;
    let inherits = |number: &usize| plan.slots[*number].inherits_listener;
    let (gateways, services): (Vec<usize>, Vec<usize>) = (0..orders.len()).partition(inherits);
    // What clients meet goes first, so that what is in flight finds the services still there.
    end(&orders, &gateways).await;
    end(&orders, &services).await;
    state_file.remove().map_err(|error| Error::io(plan.state.display(), error))
}

/// Obeys signals until the one that says to end.
async fn obey(keepers: &[mpsc::Sender<Command>], state_file: &StateFile) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Error::internal)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => roll_and_note(keepers, state_file).await,
        }
    }
    Ok(())
}

/// Ends some of the processes, all at once.
async fn end(keepers: &[mpsc::Sender<Command>], numbers: &[usize]) {
    let mut ends = Vec::new();
    for number in numbers {
        let (done, ended) = oneshot::channel();
        if keepers[*number].send(Command::End(done)).await.is_ok() {
            ends.push(ended);
        }
    }
    for ended in ends {
        // An error says that the keeper has ended, which is as good.
        let _ = ended.await;
    }
}

async fn roll_and_note(keepers: &[mpsc::Sender<Command>], state_file: &StateFile) {
    let rolled = roll(keepers).await;
    match &rolled {
        Ok(()) => tracing::info!("every process was restarted"),
        Err(error) => {
            tracing::error!(%error, "the rolling restart stopped: the others go on as they are");
        }
    }
    state_file.note_roll(rolled.err().map(|error| error.to_string()));
}

/// Restarts one process after the other; stops at the first that does not become ready.
async fn roll(keepers: &[mpsc::Sender<Command>]) -> Result<()> {
    for keeper in keepers {
        let (done, replaced) = oneshot::channel();
        keeper.send(Command::Replace(done)).await.map_err(Error::internal)?;
        replaced.await.map_err(Error::internal)??;
    }
    Ok(())
}

/// Tells the supervisor whose state is at `path` to restart everything, and waits until it has.
/// Fails with `unavailable` when there is none, or when the roll stopped.
pub async fn restart(path: &Path) -> Result<State> {
    let gone = || Error::new(Code::Unavailable, "no supervisor is running here");
    let before = State::read(path).ok_or_else(gone)?;
    if lock(path).is_ok() {
        // Nobody holds the lock: what is written down is of a supervisor that was killed.
        return Err(gone());
    }
    let supervisor = i32::try_from(before.supervisor).ok().and_then(Pid::from_raw);
    kill_process(supervisor.ok_or_else(gone)?, Signal::HUP).map_err(|_| gone())?;
    let deadline = Instant::now() + ROLL_TIME;
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = State::read(path).ok_or_else(gone)?;
        match now.roll_error {
            _ if now.rolls == before.rolls => {}
            Some(why) => {
                return Err(Error::new(
                    Code::Unavailable,
                    format!("the rolling restart stopped: {why}"),
                ));
            }
            None => return Ok(now),
        }
    }
    Err(Error::new(
        Code::Unavailable,
        "the rolling restart did not come to its end: see the supervisor's log",
    ))
}

/// One supervisor at a time; the lock goes with the process.
fn lock(state: &Path) -> Result<File> {
    let path = state.with_extension("lock");
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|error| Error::io(path.display(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(Error::new(
            Code::Unavailable,
            format!("another supervisor keeps {}", state.display()),
        )),
    }
}

/// The listener that living processes have, or a new one.
fn listener(
    plan: &Plan,
    before: &State,
    adopted: &HashMap<String, Process>,
) -> Result<TcpListener> {
    let mut holders = before.slots.iter().filter(|slot| slot.has_listener);
    if let Some(holder) = holders.find_map(|slot| adopted.get(&slot.name)) {
        return holder.listener().map_err(|error| {
            let why =
                "cannot take the listener over from a running gateway: end the old processes first";
            Error::new(Code::Unavailable, why).with_source(error)
        });
    }
    holdfast_web::listen(plan.listen).and_then(tokio::net::TcpListener::into_std).map_err(|error| {
        let why = format!("cannot listen on {}: another program may be there", plan.listen);
        Error::new(Code::Unavailable, why).with_source(error)
    })
}

fn first_state(plan: &Plan, listen: SocketAddr, before: &State) -> State {
    let slots = plan.slots.iter().map(|slot| {
        let known = before.slot(&slot.name);
        SlotState {
            name: slot.name.clone(),
            address: slot.address,
            pid: known.map_or(0, |known| known.pid),
            started: known.map_or(0, |known| known.started),
            restarts: known.map_or(0, |known| known.restarts),
            has_listener: slot.inherits_listener,
        }
    });
    State {
        supervisor: std::process::id(),
        listen: Some(listen),
        slots: slots.collect(),
        rolls: before.rolls,
        roll_error: None,
    }
}
