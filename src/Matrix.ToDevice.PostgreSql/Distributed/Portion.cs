namespace Matrix.ToDevice;

/// <summary>What a send puts into one bucket.</summary>
/// <param name="Messages">The messages for devices of the bucket.</param>
/// <param name="Edus">The EDUs for destinations of the bucket.</param>
/// <param name="Known">The bucket's removals that the send knows of: a device that was removed later gets nothing of it.</param>
/// <param name="CommittedAt">When the send was committed, by its host.</param>
internal sealed record Portion(List<ToDeviceMessage> Messages, List<OutboundEdu> Edus, long Known, DateTimeOffset CommittedAt)
{
    /// <summary>Cuts a send up by buckets.</summary>
    public static Dictionary<int, Portion> Cut(PostgreSqlTransaction transaction, DateTimeOffset now)
    {
        var portions = new Dictionary<int, Portion>();
        foreach (var messages in transaction.Messages)
            for (var i = 0; i < messages.Count; i++) In(Buckets.Of(PostgreSqlText.Key(messages[i].Recipient.UserId))).Messages.Add(messages[i]);
        foreach (var edus in transaction.Edus)
            for (var i = 0; i < edus.Count; i++) In(Buckets.OfDestination(edus[i].Destination)).Edus.Add(edus[i]);
        return portions;

        Portion In(int bucket) => portions.TryGetValue(bucket, out var portion) ? portion : portions[bucket] = new Portion([], [], 0, now);
    }

    /// <summary>How many bytes the contents have.</summary>
    public long Bytes => Messages.Sum(message => (long)message.Content.Length) + Edus.Sum(edu => (long)edu.Content.Length);

    public int Rows => Messages.Count + Edus.Count;

    /// <summary>As it stands in an intent, for whoever goes on after a crash.</summary>
    public byte[] ToPayload()
    {
        using var stream = new MemoryStream(Messages.Sum(message => message.Content.Length + 64) + Edus.Sum(edu => edu.Content.Length + 64) + 64);
        using var writer = new BinaryWriter(stream);
        writer.Write(PayloadVersion);
        writer.Write(Known);
        writer.Write(CommittedAt.UtcTicks);
        writer.Write(Messages.Count);
        foreach (var message in Messages)
        {
            foreach (var text in (ReadOnlySpan<string>)[message.Recipient.UserId, message.Recipient.DeviceId, message.Sender, message.EventType]) writer.Write(text);
            writer.Write(message.SendId);
            WriteContent(message.Content);
        }

        writer.Write(Edus.Count);
        foreach (var edu in Edus)
        {
            writer.Write(edu.Destination);
            writer.Write(edu.MessageId);
            WriteContent(edu.Content);
        }

        writer.Flush();
        return stream.ToArray();

        void WriteContent(ReadOnlyMemory<byte> content)
        {
            writer.Write(content.Length);
            writer.Write(content.Span);
        }
    }

    public static Portion FromPayload(byte[] payload)
    {
        using var reader = new BinaryReader(new MemoryStream(payload));
        if (reader.ReadByte() is var version and not PayloadVersion)
            throw new PostgreSqlStoreException($"An intent has the format {version}, which a later version of Matrix.ToDevice.PostgreSql writes. Use that one.");
        var (known, committedAt) = (reader.ReadInt64(), new DateTimeOffset(reader.ReadInt64(), TimeSpan.Zero));
        var messages = new List<ToDeviceMessage>(reader.ReadInt32());
        for (var n = messages.Capacity; n > 0; n--)
        {
            var recipient = new DeviceAddress(reader.ReadString(), reader.ReadString());
            var (sender, eventType, sendId) = (reader.ReadString(), reader.ReadString(), reader.ReadInt64());
            messages.Add(new ToDeviceMessage(recipient, sender, eventType, reader.ReadBytes(reader.ReadInt32()), sendId));
        }

        var edus = new List<OutboundEdu>(reader.ReadInt32());
        for (var n = edus.Capacity; n > 0; n--) edus.Add(new OutboundEdu(reader.ReadString(), reader.ReadString(), reader.ReadBytes(reader.ReadInt32())));
        return new Portion(messages, edus, known, committedAt);
    }

    private const byte PayloadVersion = 1;
}
