namespace Matrix.ToDevice;

/// <summary>What a store can do beyond what every store has to. A case that needs more than is claimed is not run, and says so.</summary>
[Flags]
public enum StoreClaims
{
    /// <summary>The transaction store and the inboxes, in one instance, until the process ends.</summary>
    None = 0,

    /// <summary>It has an <see cref="IFederationOutbox"/>.</summary>
    Outbox = 1,

    /// <summary>It keeps everything when it is closed and opened again (<c>Commits_survive_a_restart</c>).</summary>
    Durable = 2,

    /// <summary>Several instances can be open over the same data (<c>Hosts_share_one_store</c>).</summary>
    SeveralInstances = 4,

    /// <summary>
    /// The target can put its data back to what it was before (<see cref="StoreTarget.SaveAsync"/>), so that it can be tried out what
    /// the store makes of positions that were given out in a history that is lost (D23).
    /// </summary>
    Restorable = 8,

    /// <summary>It is an <see cref="IStoreUpkeep"/>, and tells when messages were committed.</summary>
    Upkeep = 16,

    /// <summary>
    /// It promises less than others, because it is spread over several machines: a send is accepted in one commit, and then delivered to
    /// each recipient exactly once. What a reader sees at one moment is not claimed then (D4).
    /// </summary>
    DeliversOneByOne = 32,
}
