namespace Matrix.ToDevice.Tests;

/// <summary>Which users are an appservice's.</summary>
public class AppserviceTests
{
    [TestCase("@_irc_alice:hs1", true, true)]
    [TestCase("@irc_bot:hs1", true, true, Description = "its sender")]
    [TestCase("@seen_alice:hs1", true, false)]
    [TestCase("@alice:hs1", false, false)]
    [TestCase("@x@_irc_alice:hs1", false, false, Description = "from the beginning")]
    [TestCase("@_irc_alice:hs2", false, false, Description = "a user of another server")]
    public void R100_users_are_covered_by_their_namespace(string userId, bool isCovered, bool isOwned)
    {
        Assert.That(TestAppservices.Irc.Covers(userId), Is.EqualTo(isCovered));
        Assert.That(TestAppservices.Irc.Owns(userId), Is.EqualTo(isOwned));
    }

    [Test]
    public void R100_an_appservice_is_made_of_what_its_registration_says()
    {
        // <appservice>
        var irc = new Appservice("irc", "@irc_bot:hs1", [new AppserviceNamespace("@_irc_.*", isExclusive: true)]);
        // </appservice>

        Assert.That((irc.Id, irc.SenderUserId, irc.ReceivesToDevice), Is.EqualTo(("irc", "@irc_bot:hs1", true)));
        Assert.That(irc.UserNamespaces.Select(users => (users.Regex, users.IsExclusive)), Is.EqualTo(new[] { ("@_irc_.*", true) }));
    }

    [Test]
    public void R100_a_namespace_without_a_star_covers_what_begins_so() =>
        Assert.That(new Appservice("a", "@a:hs1", [new AppserviceNamespace("@_irc_|@_xmpp_", true)]).Owns("@_xmpp_alice:hs1"));

    [TestCase("@_irc_(")]
    [TestCase("@_irc_)|(.*")]
    [TestCase("@(?!_irc_).*", Description = "it looks ahead, for which no number of passes is certain")]
    [TestCase(@"@(_irc_)\1.*")]
    public void R100_a_regular_expression_that_cannot_be_used_is_named(string regex) =>
        Assert.That(() => new AppserviceNamespace(regex, true), Throws.ArgumentException.With.Message.Contains(regex));

    [TestCase("")]
    [TestCase(" ")]
    [TestCase("a\nb")]
    public void An_ID_has_to_be_one_that_every_store_can_keep(string id) =>
        Assert.That(() => new Appservice(id, "@a:hs1", []), Throws.ArgumentException);

    [Test]
    public void An_ID_has_at_most_255_bytes_of_text()
    {
        Assert.That(() => new Appservice($"{(char)0xd800}", "@a:hs1", []), Throws.ArgumentException);
        Assert.That(new Appservice(new string('x', 255), "@a:hs1", []).Id, Has.Length.EqualTo(255));
        Assert.That(() => new Appservice(new string('é', 128), "@a:hs1", []), Throws.ArgumentException);
    }

    [TestCase("a:hs1")]
    [TestCase("@a")]
    public void A_sender_is_a_user_ID(string sender) => Assert.That(() => new Appservice("a", sender, []), Throws.ArgumentException);
}
