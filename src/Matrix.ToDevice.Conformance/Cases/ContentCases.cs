using static Matrix.ToDevice.Session;
using static Matrix.ToDevice.TextCases;

namespace Matrix.ToDevice;

internal static class ContentCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.KeptAsSent, Contents_arrive_byte_for_byte),
        new(Promises.KeptAsSent, Contents_of_every_length_up_to_64_KiB_arrive_whole),
        new(Promises.KeptAsSent, Senders_and_event_types_of_any_text_arrive_unchanged),
        new(Promises.KeptAsSent, A_buffer_that_is_used_again_changes_no_message),
        new(Promises.KeptAsSent, A_page_stays_as_it_was_read),
        new(Promises.KeptAsSent, EDUs_arrive_byte_for_byte, StoreClaims.Outbox),
        new(Promises.KeptAsSent, Message_ids_of_EDUs_arrive_unchanged, StoreClaims.Outbox),
        new(Promises.OwnInbox, Devices_with_similar_ids_have_their_own_inboxes),
        new(Promises.OwnInbox, Long_and_unusual_user_and_device_ids_have_inboxes),
    ];

    private static readonly string[] s_contents =
    [
        "{}", """{"b":1,"a":2,"b":3}""", """{"n":[1.0,1e400,-0,12345678901234567890123,0.1000]}""", """{"text":"\u00e9é\ud83d\ude00😀\/\"\\ <&>'"}""",
        """{"":null,"text":" \u0000 "}""", $$"""{"text":"{{"é \u2028 漢字 👩‍👩‍👧 עברית"}}"}""", """{"deep":[[[[[[[[[[[[]]]]]]]]]]]]}""",
    ];

    private static async Task Contents_arrive_byte_for_byte(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 0; n < s_contents.Length; n++) await store.DeliverAsync($"t{n}", s_contents[n], Bob);
        Check.Same(
            await store.ContentsAsync(Bob), s_contents,
            "Keep the bytes of a content, not what they mean: signatures are made over them, and no parser keeps numbers, escapes and double keys.");
    }

    private static async Task Contents_of_every_length_up_to_64_KiB_arrive_whole(CaseRun run)
    {
        int[] lengths = [2, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097, 8000, 32_767, 32_768, 65_534, 65_535, 65_536];
        var store = await run.OpenAsync();
        foreach (var length in lengths) await store.DeliverAsync($"t{length}", Content(length), Bob);
        foreach (var (message, length) in (await store.ReadAsync(Bob)).Zip(lengths))
            Check.That(message.Content == Content(length), $"A content of {length} bytes came out as {message.Bytes.Length} bytes, or as others.");

        static string Content(int length) => $"{{{new string((char)('a' + length % 26), length - 2)}}}";
    }

    private static async Task A_buffer_that_is_used_again_changes_no_message(CaseRun run)
    {
        var store = await run.OpenAsync();
        var buffer = Utf8("""{"n":1}""");
        Check.Equal(
            await store.SendAsync(Key("t1"), [new ToDeviceMessage(Bob, Alice.UserId, "m.test", buffer, NewSendId())]), CommitResult.Committed,
            "Nothing speaks against this commit.");
        buffer.AsSpan().Fill((byte)'x');
        Check.Same(
            await store.ContentsAsync(Bob), ["""{"n":1}"""],
            "The memory of a content is the request's again when its transaction is disposed: copy what is kept longer.");
    }

    private static async Task A_page_stays_as_it_was_read(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", """{"n":1}""", Bob);
        using var page = await run.CallAsync("IDeviceInbox.ReadAsync", () => store.Inbox.ReadAsync(Bob, InboxPosition.Start, 10, int.MaxValue, run.Cancel));
        await store.AcknowledgeAsync(Bob, page.Messages[0].Position);
        for (var n = 2; n <= 4; n++) await store.DeliverAsync($"t{n}", """{"n":9}""", Bob);
        Check.Equal(page.Messages.Count, 1, "A page is not a view: what happens after the read does not change it.");
        Check.That(
            page.Messages[0].Content.Span.SequenceEqual("""{"n":1}"""u8),
            "The contents of a page are valid until it is disposed, also when their messages have been acknowledged in the meantime.");
    }

    private static async Task EDUs_arrive_byte_for_byte(CaseRun run)
    {
        var store = await run.OpenAsync();
        string[] contents = [.. s_contents, $"{{{new string('x', 65_534)}}}"];
        for (var n = 0; n < contents.Length; n++)
        {
            var buffer = Utf8(contents[n]);
            await store.DeliverEdusAsync($"t{n}", new OutboundEdu("hs2", $"é😀{n}", buffer));
            buffer.AsSpan().Fill((byte)'x');
        }

        var edus = await store.EdusAsync("hs2");
        Check.Same(
            [.. edus.Select(edu => System.Text.Encoding.UTF8.GetString(edu.Content.Span))], contents,
            "The content of an EDU comes out byte for byte as it went in; its memory is the request's again after the transaction.");
        Check.Same([.. edus.Select(edu => edu.MessageId)], [.. contents.Select((_, n) => $"é😀{n}")], "An EDU keeps its message_id through all retries.");
    }

    private static async Task Devices_with_similar_ids_have_their_own_inboxes(CaseRun run)
    {
        DeviceAddress[] devices =
        [
            new("@bob:hs1", "B1"), new("@bob:hs1", "b1"), new("@Bob:hs1", "B1"), new("@bob:hs2", "B1"), new("@bob:hs1", "B1 "), new("@bob:hs1B", "1"),
            new("@bob:hs1", "é"), new("@bob:hs1", "e\u0301"), new("@bob:hs1", "%"), new("@bob:hs1", "_"), new("@bob:hs1", "B_"),
            new("@", ""), new("@:hs1", ""), new("@bob:hs1", ""), new("@bob:hs1", " "),
        ];
        var store = await run.OpenAsync();
        for (var n = 0; n < devices.Length; n++) await store.DeliverAsync($"t{n}", $"{n}", devices[n]);
        for (var n = 0; n < devices.Length; n++)
        {
            Check.Same(
                await store.ContentsAsync(devices[n]), [$"{n}"],
                $"The inbox of {devices[n]} holds what was sent to it: user ID and device ID are two texts, compared by ordinal and as a whole.");
        }
    }
}
