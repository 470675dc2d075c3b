//! The terminal: frames drawn as they come, keys heard meanwhile, and everything put back at the end.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Paragraph;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Eye;
use super::frame::Frame;
use super::picture;

/// Keys that wait: a person types slower than frames are drawn.
const MOST_KEYS: usize = 64;
/// How often the thread that hears keys looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
const HELP: &str = "q quit   j/k or arrows scroll   r read now";
/// Lines that a page key moves.
const PAGE: u16 = 10;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Ends the view.
    Quit,
    /// Reads at once.
    Read,
    /// Moves the view by so many lines.
    Move(i32),
    /// Draws again: the terminal has another size.
    Draw,
}

/// Shows frames until somebody quits.
///
/// # Errors
/// When the terminal cannot be used.
pub(super) async fn live(eye: &mut Eye, interval: Duration) -> io::Result<()> {
    // Sets the terminal up, and puts it back even where we panic.
    let mut terminal = ratatui::try_init()?;
    let (tell, mut told) = channel(MOST_KEYS);
    let ears = std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || hear(&tell))?;
    let shown = show(&mut terminal, eye, interval, &mut told).await;
    drop(told);
    ratatui::restore();
    // It ends at its next look, because nobody hears it any more.
    let _ = ears.join();
    shown
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    eye: &mut Eye,
    interval: Duration,
    keys: &mut Receiver<Wish>,
) -> io::Result<()> {
    let mut state = State::default();
    let mut turn = tokio::time::interval(interval);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let wish = tokio::select! {
            _ = turn.tick() => Wish::Read,
            key = keys.recv() => key.unwrap_or(Wish::Quit),
        };
        match wish {
            Wish::Quit => return Ok(()),
            Wish::Read => {
                // A silent agent must not keep a person from quitting.
                let looked = tokio::select! {
                    looked = eye.look() => looked,
                    () = quit(keys) => return Ok(()),
                };
                match looked {
                    Ok(frame) => {
                        state.frame = Some(frame);
                        state.silence = None;
                    }
                    Err(error) => state.silence = Some(error.to_string()),
                }
            }
            Wish::Move(by) => state.scroll = state.scroll.saturating_add_signed(by.try_into().unwrap_or(0)),
            Wish::Draw => {}
        }
        terminal.draw(|canvas| state.draw(canvas))?;
    }
}

/// Ends when somebody wants to quit; other keys are let go meanwhile.
async fn quit(keys: &mut Receiver<Wish>) {
    while let Some(wish) = keys.recv().await {
        if wish == Wish::Quit {
            return;
        }
    }
}

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) frame: Option<Frame>,
    pub(super) silence: Option<String>,
    pub(super) scroll: u16,
}

impl State {
    /// Draws it into whatever room there is.
    pub(super) fn draw(&mut self, canvas: &mut ratatui::Frame<'_>) {
        let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(canvas.area());
        let lines = match (&self.frame, &self.silence) {
            (Some(frame), silence) => picture::lines(frame, silence.as_deref()),
            (None, Some(silence)) => vec![format!("no answer: {silence}").into()],
            (None, None) => vec!["reading …".into()],
        };
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        self.scroll = self.scroll.min(height.saturating_sub(body.height));
        canvas.render_widget(Paragraph::new(lines).scroll((self.scroll, 0)), body);
        let faint = Style::new().add_modifier(Modifier::DIM);
        canvas.render_widget(Paragraph::new(HELP).style(faint), foot);
    }
}

/// Hears keys until nobody listens.
fn hear(tell: &Sender<Wish>) {
    while !tell.is_closed() {
        match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => {}
            // The terminal is gone: so is the person.
            Err(_) => {
                let _ = tell.blocking_send(Wish::Quit);
                return;
            }
        }
        let wish = match event::read() {
            Ok(Event::Key(key)) => wish(key),
            Ok(Event::Resize(..)) => Some(Wish::Draw),
            Ok(_) => None,
            Err(_) => Some(Wish::Quit),
        };
        // Fails only where nobody listens any more.
        let _ = wish.map(|wish| tell.blocking_send(wish));
    }
}

fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let page = i32::from(PAGE);
    let keys = [
        (KeyCode::Char('q'), Wish::Quit),
        (KeyCode::Esc, Wish::Quit),
        (KeyCode::Char('r'), Wish::Read),
        (KeyCode::Char('j'), Wish::Move(1)),
        (KeyCode::Down, Wish::Move(1)),
        (KeyCode::Char('k'), Wish::Move(-1)),
        (KeyCode::Up, Wish::Move(-1)),
        (KeyCode::PageDown, Wish::Move(page)),
        (KeyCode::PageUp, Wish::Move(-page)),
    ];
    if is_control && key.code == KeyCode::Char('c') {
        return Some(Wish::Quit);
    }
    keys.iter()
        .find(|(code, _)| *code == key.code)
        .map(|(_, wish)| *wish)
}
