using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Matrix.ToDevice;

/// <summary>One of the <c>namespaces.users</c> of an appservice's registration.</summary>
public sealed class AppserviceNamespace
{
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    private readonly Regex _regex;

    /// <summary>A namespace.</summary>
    /// <param name="regex">
    /// The regular expression, over full user IDs and from their beginning, as other servers have it: <c>@_irc_.*</c> and <c>@_irc_</c> say the same.
    /// </param>
    /// <param name="isExclusive">Whether the users are the appservice's alone.</param>
    /// <exception cref="ArgumentException">
    /// It is no regular expression, or one that takes more than one pass over the user ID: each send matches its recipients, and whoever
    /// names them must not choose how long that takes.
    /// </exception>
    public AppserviceNamespace([StringSyntax(StringSyntaxAttribute.Regex)] string regex, bool isExclusive)
    {
        ArgumentNullException.ThrowIfNull(regex);
        (Regex, IsExclusive) = (regex, isExclusive);
        try
        {
            // By itself first: brackets that close more than they open would be something else within others.
            _ = new Regex(regex, Options);
            _regex = new Regex($@"\A(?:{regex})", Options);
        }
        catch (Exception exception) when (exception is RegexParseException or NotSupportedException)
        {
            throw new ArgumentException(
                $"The regular expression of an appservice's namespace, '{regex}', cannot be used: {exception.Message}", nameof(regex), exception);
        }
    }

    /// <summary>The regular expression, as it was given.</summary>
    public string Regex { get; }

    /// <summary>Whether the users are the appservice's alone.</summary>
    public bool IsExclusive { get; }

    internal bool Matches(string userId) => _regex.IsMatch(userId);
}
