using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Matrix.ToDevice;

/// <summary>The inboxes of all devices, and the memory of their messages. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryInboxes(InMemoryCapacity capacity)
{
    private readonly ContentPool _contents = new(capacity);
    private readonly InMemoryInbox.LinkPool _links = new(capacity);
    private readonly GradualTable<DeviceAddress, InMemoryInbox> _inboxes = new();

    public int Count => _inboxes.LastIndex + 1;

    /// <summary>The inbox at an index. When one is removed, the last one takes its place.</summary>
    public InMemoryInbox this[int index] => _inboxes[index];

    /// <summary>The most that messages can take, beside their contents: each as if it were the first of its device.</summary>
    public static long SizeOf(InMemoryTransaction.Part part)
    {
        var bytes = InMemorySend.SizeOf(part.Messages) + ((long)part.Contents.Length * Unsafe.SizeOf<ContentPool.Slot>());
        for (var i = 0; i < part.Messages.Count; i++) bytes += InMemoryInbox.Link.Bytes + InMemoryInbox.SizeOf(part.Messages[i].Recipient);
        return bytes;
    }

    public bool TryGetValue(DeviceAddress device, [MaybeNullWhen(false)] out InMemoryInbox inbox) => _inboxes.TryGetValue(device, out inbox);

    /// <summary>Rents a slot for each content; all of them or none.</summary>
    public bool TryRent(InMemoryTransaction.Part part)
    {
        for (var i = 0; i < part.Messages.Count; i++)
        {
            if (_contents.TryRent(part.Messages[i].Content.Length, out part.Contents[i])) continue;

            while (--i >= 0) _contents.Return(part.Contents[i]);
            return false;
        }

        return true;
    }

    /// <summary>Takes the slots of a send back that is not committed.</summary>
    public void Return(InMemoryTransaction transaction)
    {
        for (var part = transaction.FirstPart; part is not null; part = part.Next)
            for (var i = 0; i < part.Messages.Count; i++) _contents.Return(part.Contents[i]);
    }

    public void Append(InMemoryTransaction transaction, DateTimeOffset now)
    {
        InMemorySend? send = null;
        for (var part = transaction.FirstPart; part is not null; part = part.Next)
        {
            for (var i = 0; i < part.Messages.Count; i++)
            {
                var message = part.Messages[i];
                if (send is null || !send.Has(message))
                {
                    send = new InMemorySend(message, now);
                    capacity.Take(send.Bytes);
                }

                GetOrAdd(message.Recipient).Append(send, part.Contents[i]);
            }
        }
    }

    /// <summary>Takes the inbox of a device away; its messages are still there.</summary>
    public InMemoryInbox? Remove(DeviceAddress device)
    {
        if (_inboxes.Remove(device, out var inbox)) capacity.Give(InMemoryInbox.SizeOf(device));
        return inbox;
    }

    /// <summary>Removes some of the oldest messages of an inbox.</summary>
    public void RemoveFirst(InMemoryInbox inbox, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var message = inbox.RemoveFirst();
            _contents.Return(message.Content);
            if (message.Send.Pending == 0) capacity.Give(message.Send.Bytes);
        }
    }

    private InMemoryInbox GetOrAdd(DeviceAddress device)
    {
        if (_inboxes.TryGetValue(device, out var inbox)) return inbox;

        capacity.Take(InMemoryInbox.SizeOf(device));
        _inboxes.Add(device, inbox = new InMemoryInbox(_links));
        return inbox;
    }
}
