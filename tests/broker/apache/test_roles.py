"""What relay and consumer promise on the embedded broker, they keep on Apache Kafka: the same tests."""

from tests.broker.test_consumer import (
    test_a_batch_handler_gets_the_new_events_of_one_provider_at_once,
    test_an_event_that_cannot_be_applied_holds_its_key_until_it_can,
    test_each_event_is_applied_once_in_order_for_its_provider,
    test_killed_after_the_effect_and_before_the_offset_it_doubles_nothing,
    test_the_raw_loop_delivers_a_batch_again_when_its_body_fails,
    test_two_members_share_the_work_and_hand_it_over,
    test_what_is_no_event_of_ours_is_parked_too_and_holds_its_key,
)
from tests.broker.test_relay import (
    test_an_event_is_sent_as_a_cloud_event,
    test_each_key_keeps_its_order_when_transactions_commit_out_of_order,
    test_killed_between_sending_and_marking_it_loses_and_doubles_nothing,
    test_of_two_relays_one_leads_and_the_other_takes_over,
    test_one_bad_event_in_a_batch_that_the_broker_refuses_is_found,
    test_urgent_events_overtake_a_backlog,
)

__all__ = [
    "test_a_batch_handler_gets_the_new_events_of_one_provider_at_once",
    "test_an_event_is_sent_as_a_cloud_event",
    "test_an_event_that_cannot_be_applied_holds_its_key_until_it_can",
    "test_each_event_is_applied_once_in_order_for_its_provider",
    "test_each_key_keeps_its_order_when_transactions_commit_out_of_order",
    "test_killed_after_the_effect_and_before_the_offset_it_doubles_nothing",
    "test_killed_between_sending_and_marking_it_loses_and_doubles_nothing",
    "test_of_two_relays_one_leads_and_the_other_takes_over",
    "test_one_bad_event_in_a_batch_that_the_broker_refuses_is_found",
    "test_the_raw_loop_delivers_a_batch_again_when_its_body_fails",
    "test_two_members_share_the_work_and_hand_it_over",
    "test_urgent_events_overtake_a_backlog",
    "test_what_is_no_event_of_ours_is_parked_too_and_holds_its_key",
]
