using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

/// <summary>Texts that others choose, in every part of what a store keeps. What fails names the part and what is special about the text.</summary>
internal static class TextCases
{
    private const int UserIdBytes = LongIds.Bytes - 5; // Beside @ and :hs1.
    private const int MessageIdLength = 32;

    public static async Task Senders_and_event_types_of_any_text_arrive_unchanged(CaseRun run)
    {
        var store = await run.OpenAsync();
        var (trial, n) = (new TextTrial(), 0);
        foreach (var text in (ChosenText[])[.. Texts.Any(UserIdBytes), new(new string('x', 4000) + "y", "a text of 4,001 characters")])
            await TryAsync("The sender of a message", text, Message(Next(), "{}") with { Sender = $"@{text.Value}:hs1" });
        foreach (var text in (ChosenText[])[.. Texts.Any(LongIds.Bytes), new(new string('x', 4000) + "y", "a text of 4,001 characters")])
            await TryAsync("The event type of a message", text, Message(Next(), "{}") with { EventType = text.Value });
        trial.End("Both are kept as they are, in a column for any text of any length: a client, or another server, chooses them.");

        Task TryAsync(string part, ChosenText text, ToDeviceMessage sent) => trial.TryAsync(part, text, async () =>
        {
            Check.Equal(await store.SendAsync(Key($"t{n}"), [sent]), CommitResult.Committed, "A new transaction has to be committed.");
            if (await store.ReadAsync(sent.Recipient) is not [var read]) return ("was lost", "the message is not in its inbox");
            if (read.Sender != sent.Sender) return Changed(sent.Sender, read.Sender);
            return read.EventType != sent.EventType ? Changed(sent.EventType, read.EventType) : null;
        });

        // An inbox for each: what one text does is not the next one's fault.
        DeviceAddress Next() => new(Bob.UserId, $"B{n++}");
    }

    public static async Task Long_and_unusual_user_and_device_ids_have_inboxes(CaseRun run)
    {
        var store = await run.OpenAsync();
        List<(string Part, ChosenText Text, DeviceAddress Device)> inboxes =
        [
            .. Texts.Any(UserIdBytes).Select(text => ("The user ID of an inbox", text, new DeviceAddress($"@{text.Value}:hs1", "D1"))),
            .. Texts.Any(LongIds.Bytes).Concat(Texts.Of("a text of 300 characters", new string('d', 300), new string('d', 299) + "e"))
                .Select(text => ("The device ID of an inbox", text, new DeviceAddress(Bob.UserId, text.Value))),
        ];
        var trial = new TextTrial();
        for (var n = 0; n < inboxes.Count; n++)
            await TryAsync(n, async () => await store.SendAsync($"t{n}", $"{n}", inboxes[n].Device) == CommitResult.Committed ? null : ("was refused", "the send was not committed"));
        for (var n = 0; n < inboxes.Count; n++) await TryAsync(n, () => HoldsAsync(n, isThere: true));

        // A removal notes the device in another table; it may not be taken for another one there either.
        for (var n = 0; n < inboxes.Count; n += 2)
        {
            await TryAsync(n, async () =>
            {
                await store.RemoveDeviceAsync(inboxes[n].Device);
                return null;
            });
        }

        for (var n = 0; n < inboxes.Count; n++) await TryAsync(n, () => HoldsAsync(n, isThere: n % 2 == 1));
        trial.End("User ID and device ID are two texts, compared by ordinal and as a whole; where an index holds no text of this length, index a hash.");

        Task TryAsync(int n, Func<Task<(string, string)?>> attempt) => trial.TryAsync(inboxes[n].Part, inboxes[n].Text, attempt);

        async Task<(string, string)?> HoldsAsync(int n, bool isThere)
        {
            var contents = await store.ContentsAsync(inboxes[n].Device);
            if (isThere ? contents.SequenceEqual([$"{n}"]) : contents.Count == 0) return null;
            return contents.Find(content => content != $"{n}") is { } other
                ? ("was taken for another", $"{TextTrial.Show(inboxes[n].Text.Value)} is not {TextTrial.Show(inboxes[int.Parse(other, System.Globalization.CultureInfo.InvariantCulture)].Text.Value)}")
                : isThere ? ("was lost", "its message is not in its inbox, or was removed with another") : ("was not removed", "its message is still there");
        }
    }

    public static async Task Long_and_unusual_transaction_ids_are_told_apart(CaseRun run)
    {
        var longId = Texts.Random(8000);
        ChosenText[] texts =
        [
            .. Texts.Any(LongIds.Bytes), .. Texts.Of("a text of 8,000 characters", longId + "1", longId + "2", longId),
            .. Texts.Of("a text that means something to others", "a/b", "a%2Fb", "..", "1", "01", "1.0", "null"),
        ];
        await TellApartAsync(run, texts.Select(text => ("The transaction ID of a key", text, Key(text.Value))));
    }

    public static Task Keys_with_long_and_unusual_texts_are_told_apart(CaseRun run) => TellApartAsync(
        run,
        [
            .. Texts.Any(UserIdBytes).Select(text => ("The user ID of a key", text, Key("t1") with { UserId = $"@{text.Value}:hs1" })),
            .. Texts.Any(LongIds.Bytes).Select(text => ("The device ID of a key", text, Key("t1") with { DeviceId = text.Value })),
            .. Texts.Any(LongIds.Bytes).Select(text => ("The event type of a key", text, Key("t1") with { EventType = text.Value })),
            .. Texts.Any(LongIds.Bytes).Select(text => ("The message_id of a key of another server", text, TransactionKey.OfEdu("hs2", text.Value))),
            .. ServerNames().Select(text => ("The origin of a key of another server", text, TransactionKey.OfEdu(text.Value, "m1"))),
        ]);

    public static async Task Message_ids_of_EDUs_arrive_unchanged(CaseRun run)
    {
        var store = await run.OpenAsync();
        var trial = new TextTrial();
        var n = 0;
        foreach (var text in Texts.Printable(MessageIdLength).Append(new(string.Concat(Enumerable.Repeat("😀", MessageIdLength)), $"a text of {MessageIdLength} characters of four bytes")))
        {
            await trial.TryAsync("The message_id of an EDU", text, async () =>
            {
                var destination = $"hs{n++}";
                Check.Equal(
                    await store.SendAsync(Key(destination), [], null, [Edu(destination, text.Value, "{}")]), CommitResult.Committed, "A new transaction has to be committed.");
                var edus = await store.EdusAsync(destination);
                if (edus.Count != 1) return ("was lost", "the EDU is not there");
                if (edus[0].MessageId != text.Value) return Changed(text.Value, edus[0].MessageId);
                await store.RemoveEdusAsync(destination, edus);
                return (await store.EdusAsync(destination)).Count == 0 ? null : ("was not found again", "the EDU could not be removed");
            });
        }

        trial.End("An EDU keeps its message_id through all retries, and is removed by it: up to 32 characters of any kind.");
    }

    public static async Task Destinations_with_long_and_similar_names_are_told_apart(CaseRun run)
    {
        const string Part = "The destination of an EDU";
        var store = await run.OpenAsync();
        var (trial, names, sent) = (new TextTrial(), ServerNames(), new List<string>());
        foreach (var name in names)
        {
            await trial.TryAsync(Part, name, async () =>
            {
                await store.DeliverEdusAsync($"t{sent.Count}", Edu(name.Value, name.Value[^Math.Min(name.Value.Length, MessageIdLength)..]));
                sent.Add(name.Value);
                return null;
            });
        }

        var listed = await store.DestinationsAsync();
        var taken = await store.TakeAsync("one");
        foreach (var name in names.Where(name => sent.Contains(name.Value)))
        {
            await trial.TryAsync(Part, name, async () =>
            {
                var messageIds = await store.MessageIdsAsync(name.Value);
                if (messageIds.Count > 1) return ("was taken for another", $"{TextTrial.Show(name.Value)} has the EDUs of another one, too");
                if (messageIds.Count == 0) return ("was lost", $"{TextTrial.Show(name.Value)} has no EDU");
                if (!listed.Contains(name.Value)) return ("was not listed", TextTrial.Show(name.Value));
                if (!taken.Contains(name.Value)) return ("could not be taken", TextTrial.Show(name.Value));
                await store.ReleaseAsync(name.Value, "one", 0, TimeSpan.Zero);
                return null;
            });
        }

        trial.End("Destinations are compared by ordinal and as a whole, and a server name is as long as fits into a user ID.");
    }

    /// <summary>Each is a key of its own: it is committed once.</summary>
    private static async Task TellApartAsync(CaseRun run, IEnumerable<(string Part, ChosenText Text, TransactionKey Key)> keys)
    {
        var store = await run.OpenAsync();
        var (trial, all) = (new TextTrial(), keys.ToList());
        foreach (var (part, text, key) in all)
        {
            await trial.TryAsync(part, text, async () => await SendAsync(key) == CommitResult.Committed
                ? null : ("was taken for another", $"{TextTrial.Show(text.Value)} was never committed"));
        }

        foreach (var (part, text, key) in all)
        {
            await trial.TryAsync(part, text, async () => await SendAsync(key) == CommitResult.AlreadyCommitted
                ? null : ("was not found again", $"{TextTrial.Show(text.Value)} was committed before"));
        }

        trial.End("Keys are compared by ordinal, all parts and as a whole, or by TransactionKey.Fingerprint().");

        ValueTask<CommitResult> SendAsync(TransactionKey key) => store.SendAsync(key, [Message(Bob, "{}")]);
    }

    /// <summary>What can be one: letters, digits, hyphens and dots, an address in brackets, a port; no longer than fits into a user ID.</summary>
    private static List<ChosenText> ServerNames()
    {
        var labels = Texts.RandomLabels();
        return
        [
            .. Texts.Of("a name that differs from another in case", "a.example", "A.example", "A.EXAMPLE"),
            .. Texts.Of("a port", "a.example:8448", "a.example:844"), .. Texts.Of("an address", "10.0.0.1", "[::1]", "[::1]:8448"),
            .. Texts.Of("a hyphen", "a-b.example", "ab.example"), .. Texts.Of("a character alone", "a"),
            .. Texts.Of($"a name of {labels.Length + 2} bytes that differs from another at its end", $"{labels}.a", $"{labels}.b"),
            .. Texts.Of($"a name of {labels.Length + 2} bytes that differs from another at its beginning", $"a.{labels}", $"b.{labels}"),
            .. Texts.Of("a name of 252 bytes", $"{labels}.{Texts.Random(252 - labels.Length - 1)}"),
        ];
    }

    private static (string, string)? Changed(string sent, string read) => ("was changed", $"{TextTrial.Show(sent)} came out as {TextTrial.Show(read)}");
}
