namespace Matrix.ToDevice.Tests;

public class TransactionKeyTests
{
    private static readonly TransactionKey s_key =
        new("@alice:hs1", "PHONE", TransactionKey.SendToDevice, "m.room_key", "txn1");

    [Test]
    public void Equal_keys_have_equal_fingerprints() =>
        Assert.That((s_key with { }).Fingerprint(), Is.EqualTo(s_key.Fingerprint()));

    [Test]
    public void R42_R43_R44_every_part_makes_another_transaction()
    {
        TransactionKey[] keys =
        [
            s_key,
            s_key with { UserId = "@bob:hs1" },
            s_key with { DeviceId = "LAPTOP" },
            s_key with { DeviceId = null },
            s_key with { DeviceId = "" },
            s_key with { Endpoint = "rooms" },
            s_key with { EventType = "m.dummy" },
            s_key with { TransactionId = "TXN1" },
        ];

        Assert.That(keys.Select(key => key.Fingerprint()), Is.Unique);
    }

    [Test]
    public void Parts_do_not_run_together()
    {
        var one = s_key with { EventType = "a", TransactionId = "bc" };
        var other = s_key with { EventType = "ab", TransactionId = "c" };

        Assert.That(one.Fingerprint(), Is.Not.EqualTo(other.Fingerprint()));
    }

    [Test]
    public void D2_a_key_of_any_length_has_a_fingerprint()
    {
        var long1 = s_key with { TransactionId = new string('é', 8000) };
        var long2 = s_key with { TransactionId = new string('é', 7999) + "e" };

        Assert.That(long1.Fingerprint(), Is.Not.EqualTo(long2.Fingerprint()));
    }

    [Test]
    public void D24_half_a_surrogate_pair_is_no_text_and_has_no_fingerprint()
    {
        TransactionKey[] keys =
        [
            s_key with { UserId = "@\ud800:hs1" }, s_key with { DeviceId = "\ud800" }, s_key with { Endpoint = "\udfff" },
            s_key with { EventType = "m.\ud800" }, s_key with { TransactionId = "\udc00\ud800" },
        ];

        // With something in its place, it would have the fingerprint of another key.
        foreach (var key in keys) Assert.That(() => key.Fingerprint(), Throws.InstanceOf<ArgumentException>());
    }
}
