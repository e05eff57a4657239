using System.Reflection;

namespace Matrix.ToDevice.Tests;

/// <summary>The case that a fault is there to prove.</summary>
[AttributeUsage(AttributeTargets.Field)]
internal sealed class CaughtByAttribute(string name) : Attribute
{
    public string Case => name;
}

/// <summary>What is wrong with a <see cref="BrokenStore"/>; each is something that a store's author could do.</summary>
public enum Fault
{
    None,

    [CaughtBy("A_committed_transaction_is_not_committed_again")] ForgetsRecords,
    [CaughtBy("Of_two_open_transactions_with_one_key_the_first_commit_wins")] LooksForRecordsInBeginOnly,
    [CaughtBy("Of_many_duplicates_at_once_one_is_committed")] LooksForRecordsThenCommits,
    [CaughtBy("Keys_that_differ_in_any_part_are_different")] IgnoresCaseOfKeys,
    [CaughtBy("Keys_that_differ_in_any_part_are_different")] LeavesTheEventTypeOut,
    [CaughtBy("Keys_that_differ_in_any_part_are_different")] TakesNoDeviceForAnEmptyId,
    [CaughtBy("Long_and_unusual_transaction_ids_are_told_apart")] CutsTransactionIds,
    [CaughtBy("Keys_with_long_and_unusual_texts_are_told_apart")] CutsEventTypesOfKeys,
    [CaughtBy("A_send_without_a_device_is_remembered_too")] ForgetsSendsWithoutDevice,
    [CaughtBy("EDUs_of_other_servers_are_told_apart_by_server_and_message_id")] LeavesTheOriginOut,
    [CaughtBy("EDUs_of_other_servers_are_told_apart_by_server_and_message_id")] TakesAnOriginForAUser,
    [CaughtBy("A_send_to_nobody_is_remembered_too")] ForgetsSendsToNobody,
    [CaughtBy("A_record_outlives_its_messages")] ForgetsRecordsWithTheirMessages,

    [CaughtBy("An_abandoned_transaction_leaves_nothing")] CommitsWhatIsAbandoned,
    [CaughtBy("Nothing_is_visible_before_the_commit")] ShowsMessagesAtAppend,
    [CaughtBy("An_abandoned_duplicate_does_not_take_the_record_with_it")] FreesTheKeyOfWhatIsAbandoned,
    [CaughtBy("An_open_transaction_holds_up_nobody")] LocksInboxesWhileOpen,
    [CaughtBy("Sends_to_the_same_devices_in_opposite_orders_all_arrive")] LocksInTheOrderOfTheCall,
    [CaughtBy("Sends_to_the_same_devices_in_opposite_orders_all_arrive")] LocksItsSenderFirst,
    [CaughtBy("Sends_to_the_same_devices_in_opposite_orders_all_arrive")] LosesWhatADeadlockEnds,
    [CaughtBy("Removals_and_acknowledgements_beside_sends_hold_up_nobody")] LocksTheCounterOfRemovalsFirst,
    [CaughtBy("EDUs_for_the_same_servers_in_opposite_orders_all_arrive")] LocksDestinationsInTheOrderOfTheCall,

    [CaughtBy("A_transaction_that_was_committed_is_over")] CommitsAgain,
    [CaughtBy("A_transaction_that_was_committed_is_over")] AppendsAfterTheCommit,
    [CaughtBy("A_transaction_that_was_committed_is_over")] AppendsEdusAfterTheCommit,
    [CaughtBy("A_transaction_that_was_refused_is_over")] CommitsWhatWasRefused,
    [CaughtBy("A_transaction_that_was_disposed_is_over")] CommitsWhatWasDisposed,

    [CaughtBy("A_send_appears_in_all_inboxes_at_one_moment")] CommitsInboxByInbox,
    [CaughtBy("A_message_is_never_visible_without_its_record")] RecordsAfterDelivering,
    [CaughtBy("A_message_and_its_EDU_appear_at_one_moment")] SendsEdusAfterDelivering,
    [CaughtBy("Messages_of_several_appends_are_committed_together")] KeepsTheLastAppendOnly,
    [CaughtBy("A_duplicate_delivers_to_nobody")] KnowsDuplicatesForEachRecipient,
    [CaughtBy("A_refused_send_delivers_to_nobody")] DeliversToThoseWhoAreLeft,
    [CaughtBy("A_refused_send_delivers_to_nobody")] RecordsRefusedSends,
    [CaughtBy("A_send_that_is_not_committed_leaves_no_EDU")] KeepsEdusOfRefusedSends,
    [CaughtBy("A_send_that_is_not_committed_leaves_no_EDU")] ShowsEdusAtAppend,
    [CaughtBy("A_send_to_250_devices_arrives_whole")] StopsAt200Messages,
    [CaughtBy("A_send_to_one_user_with_1000_devices_arrives_whole")] StopsAt500Messages,

    [CaughtBy("A_slow_send_takes_its_place_when_it_commits")] NumbersAtAppend,
    [CaughtBy("Every_inbox_counts_for_itself_from_1_and_without_gaps")] CountsAllInboxesTogether,
    [CaughtBy("Every_inbox_counts_for_itself_from_1_and_without_gaps")] NumbersRefusedSends,
    [CaughtBy("An_emptied_inbox_goes_on_counting")] CountsFromWhatIsThere,
    [CaughtBy("Readers_skip_nothing_while_many_write")] ShowsNumbersOutOfOrder,

    [CaughtBy("A_page_holds_the_oldest_messages_and_tells_whether_there_are_more")] SaysMoreWhenAPageIsFull,
    [CaughtBy("Pages_of_any_size_give_every_message_once_and_in_order")] CapsPagesAndSaysNothing,
    [CaughtBy("An_inbox_that_never_got_a_message_is_empty")] ThrowsForUnknownDevices,
    [CaughtBy("A_page_ends_before_the_message_with_which_it_would_have_too_many_bytes")] IgnoresTheBytesOfAPage,
    [CaughtBy("A_page_ends_before_the_message_with_which_it_would_have_too_many_bytes")] CountsContentsOnly,
    [CaughtBy("A_page_ends_before_the_message_with_which_it_would_have_too_many_bytes")] CountsCharactersForBytes,
    [CaughtBy("A_message_with_too_many_bytes_comes_alone")] GivesNothingThatIsTooLarge,
    [CaughtBy("The_bound_that_is_reached_first_ends_a_page")] SaysMoreAtTheLimitOnly,
    [CaughtBy("Pages_of_any_number_of_bytes_give_every_message_once_and_in_order")] LeavesLargeMessagesForLater,
    [CaughtBy("The_same_read_again_gives_the_same_messages")] DeletesWhatItReads,

    [CaughtBy("Contents_arrive_byte_for_byte")] ParsesContents,
    [CaughtBy("Contents_of_every_length_up_to_64_KiB_arrive_whole")] CutsContents,
    [CaughtBy("Senders_and_event_types_of_any_text_arrive_unchanged")] EndsEventTypesAtNul,
    [CaughtBy("Senders_and_event_types_of_any_text_arrive_unchanged")] RefusesNulInSenders,
    [CaughtBy("Senders_and_event_types_of_any_text_arrive_unchanged")] TrimsEventTypes,
    [CaughtBy("A_buffer_that_is_used_again_changes_no_message")] KeepsTheRequestsMemory,
    [CaughtBy("A_page_stays_as_it_was_read")] UsesMemoryOfPagesAgain,
    [CaughtBy("EDUs_arrive_byte_for_byte")] ParsesEdus,
    [CaughtBy("Message_ids_of_EDUs_arrive_unchanged")] KeepsMessageIdsInAscii,
    [CaughtBy("Devices_with_similar_ids_have_their_own_inboxes")] IgnoresCaseOfDevices,
    [CaughtBy("Long_and_unusual_user_and_device_ids_have_inboxes")] CutsDeviceIds,
    [CaughtBy("Long_and_unusual_user_and_device_ids_have_inboxes")] RefusesLongUserIds,
    [CaughtBy("Long_and_unusual_user_and_device_ids_have_inboxes")] IndexesTheBeginningOfDeviceIds,
    [CaughtBy("Long_and_unusual_user_and_device_ids_have_inboxes")] RemovesDevicesByTheBeginningOfTheirIds,

    [CaughtBy("An_acknowledgement_deletes_up_to_its_message_and_no_further")] DeletesTheWholeInbox,
    [CaughtBy("A_stale_position_deletes_nothing")] DeletesAsManyAsTheNumberSays,
    [CaughtBy("A_position_that_lies_ahead_deletes_nothing")] DeletesUpToAnyNumber,
    [CaughtBy("A_position_with_another_send_id_deletes_nothing")] IgnoresSendIds,
    [CaughtBy("A_position_of_another_device_deletes_nothing")] FindsPositionsInAllInboxes,
    [CaughtBy("A_position_that_lies_ahead_deletes_nothing")] ReadsBehindAnyAcknowledgedNumber,
    [CaughtBy("Send_ids_of_any_value_name_messages")] TakesSendIdsForPositive,
    [CaughtBy("A_position_that_a_restored_backup_has_lost_deletes_nothing_new")] NotesAcknowledgementsBesideTheDatabase,

    [CaughtBy("The_messages_of_a_removed_device_go")] KeepsMessagesOfRemovedDevices,
    [CaughtBy("The_records_of_a_removed_device_go")] KeepsRecordsOfRemovedDevices,
    [CaughtBy("No_position_of_an_earlier_device_deletes_anything")] TrustsWhatItOnceHandedOut,
    [CaughtBy("Removing_a_device_leaves_all_others_alone")] RemovesAllDevicesOfTheUser,

    [CaughtBy("A_send_that_looked_its_recipient_up_before_the_removal_is_refused")] GuardsSendersOnly,
    [CaughtBy("A_send_that_looked_its_sender_up_before_the_removal_is_refused")] GuardsRecipientsOnly,
    [CaughtBy("A_device_that_never_got_a_message_is_guarded_too")] GuardsKnownDevicesOnly,
    [CaughtBy("A_refused_send_succeeds_when_it_has_looked_up_again")] NeverLearnsOfRemovals,
    [CaughtBy("The_removal_of_another_device_refuses_nothing")] RefusesAfterAnyRemoval,
    [CaughtBy("Known_removals_never_go_down")] CountsTheRemovalsThatItRemembers,
    [CaughtBy("No_send_slips_past_a_removal")] LooksForRemovalsThenCommits,

    [CaughtBy("A_purge_forgets_records_that_were_not_used_since")] PurgesNothing,
    [CaughtBy("A_purge_keeps_records_that_were_used_at_that_moment_or_later")] CountsAgeFromTheCommit,
    [CaughtBy("A_purge_keeps_records_that_were_used_at_that_moment_or_later")] PurgesTheMomentItself,
    [CaughtBy("A_purge_forgets_no_more_than_it_is_told")] PurgesAllThatIsDue,
    [CaughtBy("A_purge_leaves_the_records_of_the_other_endpoint")] PurgesAllEndpoints,
    [CaughtBy("A_purge_leaves_the_records_of_the_other_endpoint")] TakesSendsWithoutDeviceForEdus,
    [CaughtBy("A_purge_deletes_no_message")] PurgesMessages,
    [CaughtBy("A_purge_keeps_younger_removals")] PurgesAllRemovals,

    [CaughtBy("The_inbox_refuses_a_transaction_of_another_store")] TakesForeignTransactions,
    [CaughtBy("The_outbox_refuses_a_transaction_of_another_store")] TakesForeignTransactionsIntoTheOutbox,

    [CaughtBy("EDUs_stand_in_the_order_of_their_commits")] NumbersEdusAtAppend,
    [CaughtBy("No_EDU_appears_before_one_that_was_read")] ShowsEdusOutOfOrder,
    [CaughtBy("EDUs_tell_when_they_were_committed")] StampsEdusAtAppend,
    [CaughtBy("EDUs_tell_when_they_were_committed")] StampsEdusWhenTheyAreRead,
    [CaughtBy("Reading_EDUs_removes_nothing")] RemovesEdusThatItReads,
    [CaughtBy("Reading_EDUs_begins_behind_a_position")] ReadsEdusFromTheOldest,
    [CaughtBy("Reading_EDUs_begins_behind_a_position")] ReadsEdusFromThePositionOn,
    [CaughtBy("Removing_EDUs_leaves_later_ones_and_other_destinations")] RemovesAllEdusOfADestination,
    [CaughtBy("Removing_EDUs_leaves_later_ones_and_other_destinations")] RemovesEdusOfAllDestinations,
    [CaughtBy("Removing_EDUs_leaves_others_that_stand_at_their_positions")] RemovesEdusByPositionAlone,
    [CaughtBy("Removing_EDUs_leaves_others_that_stand_at_their_positions")] RemovesEdusByMessageIdAlone,
    [CaughtBy("Removing_EDUs_leaves_others_that_stand_at_their_positions")] RemovesEdusUpToTheLast,
    [CaughtBy("Removing_EDUs_leaves_others_that_stand_at_their_positions")] RemovesAllEdusOrNone,
    [CaughtBy("Removing_EDUs_that_are_not_there_hides_none_that_come_later")] ReadsEdusBehindAnyThatWasNamed,
    [CaughtBy("A_late_answer_for_what_a_restored_backup_has_lost_removes_nothing_new")] NotesRemovedEdusBesideTheDatabase,
    [CaughtBy("Destinations_with_EDUs_are_listed_in_ordinal_order")] SortsDestinationsWithoutCase,
    [CaughtBy("Destinations_with_EDUs_are_listed_in_ordinal_order")] ListsEmptiedDestinations,
    [CaughtBy("Destinations_with_long_and_similar_names_are_told_apart")] CutsDestinations,

    [CaughtBy("A_destination_that_was_taken_is_given_to_nobody")] GivesDestinationsToEverybody,
    [CaughtBy("A_destination_that_was_taken_is_given_to_nobody")] GivesHoldersTheirOwnAgain,
    [CaughtBy("A_destination_that_was_taken_is_given_to_nobody")] FreesDestinationsWithNewEdus,
    [CaughtBy("A_destination_whose_time_has_run_out_can_be_taken")] WaitsForDeadHolders,
    [CaughtBy("A_destination_can_be_taken_after_its_release_and_the_pause")] IgnoresPauses,
    [CaughtBy("A_destination_can_be_taken_after_its_release_and_the_pause")] EndsPausesWithNewEdus,
    [CaughtBy("A_destination_can_be_taken_after_its_release_and_the_pause")] ReleasesForAnybody,
    [CaughtBy("Only_destinations_with_EDUs_can_be_taken")] GivesEmptyDestinations,
    [CaughtBy("Only_destinations_with_EDUs_can_be_taken")] ForgetsHoldersOfEmptiedDestinations,
    [CaughtBy("A_destination_that_is_taken_until_a_time_that_is_too_far_away_can_be_taken")] WaitsForTimesThatAreTooFarAway,
    [CaughtBy("Of_many_holders_at_once_each_destination_has_one")] LooksForFreeDestinationsThenTakes,
    [CaughtBy("What_the_last_holder_noted_comes_with_the_destination")] NotesAtTheReleaseOnly,
    [CaughtBy("What_the_last_holder_noted_comes_with_the_destination")] ForgetsFailures,
    [CaughtBy("Who_has_lost_a_destination_notes_nothing")] NotesForAnybody,

    [CaughtBy("Destinations_that_have_failed_come_last")] GivesFailingDestinationsInTheirTurn,
    [CaughtBy("Destinations_that_have_failed_come_last")] LeavesFailingDestinationsAlone,
    [CaughtBy("Destinations_that_are_named_are_taken_only_if_they_could_be")] GivesNamedDestinationsThatAreTaken,
    [CaughtBy("Destinations_that_are_named_are_taken_only_if_they_could_be")] GivesNamedDestinationsThatHaveFailed,
    [CaughtBy("No_more_failing_destinations_are_taken_than_asked_for")] IgnoresTheLimitOfFailingDestinations,
    [CaughtBy("Destinations_that_have_been_free_for_longer_come_first")] GivesDestinationsInTheirOrder,
    [CaughtBy("A_destination_is_free_since_its_time_was_over_or_something_waits")] CountsFromTheNewestEdu,
    [CaughtBy("A_destination_is_free_since_its_time_was_over_or_something_waits")] KeepsThePlaceOfEmptiedDestinations,
    [CaughtBy("Nothing_is_kept_of_a_destination_for_which_nothing_waits")] RemembersEmptyDestinations,
    [CaughtBy("Nothing_is_kept_of_a_destination_for_which_nothing_waits")] RemembersDeadHolders,

    [CaughtBy("A_call_that_is_cancelled_before_it_begins_does_nothing")] IgnoresCancellation,
    [CaughtBy("An_outbox_call_that_is_cancelled_before_it_begins_does_nothing")] IgnoresCancellationInTheOutbox,
    [CaughtBy("A_send_that_is_cancelled_at_any_moment_is_whole_or_absent")] StopsHalfwayThroughACommit,
    [CaughtBy("An_acknowledgement_or_removal_that_is_cancelled_at_any_moment_is_done_or_not")] StopsHalfwayThroughAnAcknowledgement,

    [CaughtBy("Messages_and_records_are_there_after_a_restart")] LosesRecordsAtRestart,
    [CaughtBy("Messages_and_records_are_there_after_a_restart")] LosesMessagesAtRestart,
    [CaughtBy("Messages_and_records_are_there_after_a_restart")] CutsIdsAtRestart,
    [CaughtBy("EDUs_are_there_after_a_restart")] LosesEdusAtRestart,
    [CaughtBy("What_was_being_sent_is_known_after_a_restart")] KeepsNotesInMemory,
    [CaughtBy("What_was_deleted_stays_deleted_after_a_restart")] BringsAcknowledgedMessagesBackAtRestart,
    [CaughtBy("An_emptied_inbox_goes_on_counting_after_a_restart")] CountsAnewAfterRestart,
    [CaughtBy("A_send_that_was_open_at_a_restart_leaves_nothing")] CommitsWhatIsOpenAtRestart,
    [CaughtBy("Records_keep_their_age_over_a_restart")] RenewsRecordsAtRestart,

    [CaughtBy("Of_duplicates_on_two_instances_one_is_committed")] KeepsRecordsForEachInstance,
    [CaughtBy("Positions_follow_the_commits_of_all_instances")] ReservesNumbersForEachInstance,
    [CaughtBy("Readers_skip_nothing_while_many_write_on_two_instances")] LocksForEachInstance,
    [CaughtBy("A_reader_on_another_instance_sees_no_part_of_a_send")] ReplicatesInboxByInbox,
    [CaughtBy("An_acknowledgement_counts_on_all_instances")] AcknowledgesForEachInstance,
    [CaughtBy("A_removal_on_another_instance_refuses_a_send_once")] KeepsRemovalsForEachInstance,
    [CaughtBy("EDUs_of_all_instances_stand_in_one_order")] NumbersEdusForEachInstance,
    [CaughtBy("A_destination_that_one_instance_has_taken_is_not_given_to_another")] KeepsHoldersForEachInstance,
    [CaughtBy("Sends_and_removals_in_opposite_orders_on_two_instances_hold_up_nobody")] LocksInTheOrderOfTheCallOnEachInstance,
    [CaughtBy("EDUs_in_opposite_orders_on_two_instances_all_arrive")] LocksDestinationsInTheOrderOfTheCallOnEachInstance,
}

internal static class Faults
{
    /// <summary>All faults, and the case that each is there to prove.</summary>
    public static IReadOnlyDictionary<Fault, string> All { get; } = Enum.GetValues<Fault>().Where(fault => fault != Fault.None).ToDictionary(
        fault => fault, fault => typeof(Fault).GetField(fault.ToString())!.GetCustomAttribute<CaughtByAttribute>()!.Case);
}
