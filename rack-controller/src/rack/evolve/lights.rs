//! What events about lights of bays change of a rack.

use std::sync::Arc;

use facts::Moment;

use crate::rack::state::Rack;

pub(super) fn located(rack: &mut Rack, place: &str, until: Moment) {
    if rack.kept.bays.contains_key(place) || rack.config.drive_bay(place).is_some() {
        rack.kept.located.insert(place.to_owned(), until);
    }
}

pub(super) fn led_set(rack: &mut Rack, place: &str, on: bool) {
    if on {
        rack.kept.lit.insert(place.to_owned());
    } else {
        rack.kept.lit.remove(place);
    }
    if let Some(bay) = rack.sight.bays.get_mut(place) {
        bay.led = Some(on);
    }
    if rack.config.drive_bay(place).is_some() {
        Arc::make_mut(&mut rack.sight.drives.leds).insert(place.to_owned(), on);
    }
}
