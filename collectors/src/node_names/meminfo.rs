//! Names of node_exporter's `meminfo`: one for each line that a kernel may write (proc_meminfo(5)).

facts::families! {
    MEMORY_MEMTOTAL_BYTES Gauge "node_memory_MemTotal_bytes" []
        "MemTotal of the whole machine." from "/proc/meminfo";
    MEMORY_MEMFREE_BYTES Gauge "node_memory_MemFree_bytes" []
        "MemFree of the whole machine." from "/proc/meminfo";
    MEMORY_MEMAVAILABLE_BYTES Gauge "node_memory_MemAvailable_bytes" []
        "MemAvailable of the whole machine." from "/proc/meminfo";
    MEMORY_BUFFERS_BYTES Gauge "node_memory_Buffers_bytes" []
        "Buffers of the whole machine." from "/proc/meminfo";
    MEMORY_CACHED_BYTES Gauge "node_memory_Cached_bytes" []
        "Cached of the whole machine." from "/proc/meminfo";
    MEMORY_SWAPCACHED_BYTES Gauge "node_memory_SwapCached_bytes" []
        "SwapCached of the whole machine." from "/proc/meminfo";
    MEMORY_ACTIVE_BYTES Gauge "node_memory_Active_bytes" []
        "Active of the whole machine." from "/proc/meminfo";
    MEMORY_INACTIVE_BYTES Gauge "node_memory_Inactive_bytes" []
        "Inactive of the whole machine." from "/proc/meminfo";
    MEMORY_ACTIVE_ANON_BYTES Gauge "node_memory_Active_anon_bytes" []
        "Active(anon) of the whole machine." from "/proc/meminfo";
    MEMORY_INACTIVE_ANON_BYTES Gauge "node_memory_Inactive_anon_bytes" []
        "Inactive(anon) of the whole machine." from "/proc/meminfo";
    MEMORY_ACTIVE_FILE_BYTES Gauge "node_memory_Active_file_bytes" []
        "Active(file) of the whole machine." from "/proc/meminfo";
    MEMORY_INACTIVE_FILE_BYTES Gauge "node_memory_Inactive_file_bytes" []
        "Inactive(file) of the whole machine." from "/proc/meminfo";
    MEMORY_UNEVICTABLE_BYTES Gauge "node_memory_Unevictable_bytes" []
        "Unevictable of the whole machine." from "/proc/meminfo";
    MEMORY_MLOCKED_BYTES Gauge "node_memory_Mlocked_bytes" []
        "Mlocked of the whole machine." from "/proc/meminfo";
    MEMORY_HIGHTOTAL_BYTES Gauge "node_memory_HighTotal_bytes" []
        "HighTotal of the whole machine." from "/proc/meminfo";
    MEMORY_HIGHFREE_BYTES Gauge "node_memory_HighFree_bytes" []
        "HighFree of the whole machine." from "/proc/meminfo";
    MEMORY_LOWTOTAL_BYTES Gauge "node_memory_LowTotal_bytes" []
        "LowTotal of the whole machine." from "/proc/meminfo";
    MEMORY_LOWFREE_BYTES Gauge "node_memory_LowFree_bytes" []
        "LowFree of the whole machine." from "/proc/meminfo";
    MEMORY_MMAPCOPY_BYTES Gauge "node_memory_MmapCopy_bytes" []
        "MmapCopy of the whole machine." from "/proc/meminfo";
    MEMORY_SWAPTOTAL_BYTES Gauge "node_memory_SwapTotal_bytes" []
        "SwapTotal of the whole machine." from "/proc/meminfo";
    MEMORY_SWAPFREE_BYTES Gauge "node_memory_SwapFree_bytes" []
        "SwapFree of the whole machine." from "/proc/meminfo";
    MEMORY_ZSWAP_BYTES Gauge "node_memory_Zswap_bytes" []
        "Zswap of the whole machine." from "/proc/meminfo";
    MEMORY_ZSWAPPED_BYTES Gauge "node_memory_Zswapped_bytes" []
        "Zswapped of the whole machine." from "/proc/meminfo";
    MEMORY_DIRTY_BYTES Gauge "node_memory_Dirty_bytes" []
        "Dirty of the whole machine." from "/proc/meminfo";
    MEMORY_WRITEBACK_BYTES Gauge "node_memory_Writeback_bytes" []
        "Writeback of the whole machine." from "/proc/meminfo";
    MEMORY_ANONPAGES_BYTES Gauge "node_memory_AnonPages_bytes" []
        "AnonPages of the whole machine." from "/proc/meminfo";
    MEMORY_MAPPED_BYTES Gauge "node_memory_Mapped_bytes" []
        "Mapped of the whole machine." from "/proc/meminfo";
    MEMORY_SHMEM_BYTES Gauge "node_memory_Shmem_bytes" []
        "Shmem of the whole machine." from "/proc/meminfo";
    MEMORY_KRECLAIMABLE_BYTES Gauge "node_memory_KReclaimable_bytes" []
        "KReclaimable of the whole machine." from "/proc/meminfo";
    MEMORY_SLAB_BYTES Gauge "node_memory_Slab_bytes" []
        "Slab of the whole machine." from "/proc/meminfo";
    MEMORY_SRECLAIMABLE_BYTES Gauge "node_memory_SReclaimable_bytes" []
        "SReclaimable of the whole machine." from "/proc/meminfo";
    MEMORY_SUNRECLAIM_BYTES Gauge "node_memory_SUnreclaim_bytes" []
        "SUnreclaim of the whole machine." from "/proc/meminfo";
    MEMORY_KERNELSTACK_BYTES Gauge "node_memory_KernelStack_bytes" []
        "KernelStack of the whole machine." from "/proc/meminfo";
    MEMORY_SHADOWCALLSTACK_BYTES Gauge "node_memory_ShadowCallStack_bytes" []
        "ShadowCallStack of the whole machine." from "/proc/meminfo";
    MEMORY_PAGETABLES_BYTES Gauge "node_memory_PageTables_bytes" []
        "PageTables of the whole machine." from "/proc/meminfo";
    MEMORY_SECPAGETABLES_BYTES Gauge "node_memory_SecPageTables_bytes" []
        "SecPageTables of the whole machine." from "/proc/meminfo";
    MEMORY_NFS_UNSTABLE_BYTES Gauge "node_memory_NFS_Unstable_bytes" []
        "NFS_Unstable of the whole machine." from "/proc/meminfo";
    MEMORY_BOUNCE_BYTES Gauge "node_memory_Bounce_bytes" []
        "Bounce of the whole machine." from "/proc/meminfo";
    MEMORY_WRITEBACKTMP_BYTES Gauge "node_memory_WritebackTmp_bytes" []
        "WritebackTmp of the whole machine." from "/proc/meminfo";
    MEMORY_COMMITLIMIT_BYTES Gauge "node_memory_CommitLimit_bytes" []
        "CommitLimit of the whole machine." from "/proc/meminfo";
    MEMORY_COMMITTED_AS_BYTES Gauge "node_memory_Committed_AS_bytes" []
        "Committed_AS of the whole machine." from "/proc/meminfo";
    MEMORY_VMALLOCTOTAL_BYTES Gauge "node_memory_VmallocTotal_bytes" []
        "VmallocTotal of the whole machine." from "/proc/meminfo";
    MEMORY_VMALLOCUSED_BYTES Gauge "node_memory_VmallocUsed_bytes" []
        "VmallocUsed of the whole machine." from "/proc/meminfo";
    MEMORY_VMALLOCCHUNK_BYTES Gauge "node_memory_VmallocChunk_bytes" []
        "VmallocChunk of the whole machine." from "/proc/meminfo";
    MEMORY_PERCPU_BYTES Gauge "node_memory_Percpu_bytes" []
        "Percpu of the whole machine." from "/proc/meminfo";
    MEMORY_EARLYMEMTESTBAD_BYTES Gauge "node_memory_EarlyMemtestBad_bytes" []
        "EarlyMemtestBad of the whole machine." from "/proc/meminfo";
    MEMORY_HARDWARECORRUPTED_BYTES Gauge "node_memory_HardwareCorrupted_bytes" []
        "HardwareCorrupted of the whole machine." from "/proc/meminfo";
    MEMORY_ANONHUGEPAGES_BYTES Gauge "node_memory_AnonHugePages_bytes" []
        "AnonHugePages of the whole machine." from "/proc/meminfo";
    MEMORY_SHMEMHUGEPAGES_BYTES Gauge "node_memory_ShmemHugePages_bytes" []
        "ShmemHugePages of the whole machine." from "/proc/meminfo";
    MEMORY_SHMEMPMDMAPPED_BYTES Gauge "node_memory_ShmemPmdMapped_bytes" []
        "ShmemPmdMapped of the whole machine." from "/proc/meminfo";
    MEMORY_FILEHUGEPAGES_BYTES Gauge "node_memory_FileHugePages_bytes" []
        "FileHugePages of the whole machine." from "/proc/meminfo";
    MEMORY_FILEPMDMAPPED_BYTES Gauge "node_memory_FilePmdMapped_bytes" []
        "FilePmdMapped of the whole machine." from "/proc/meminfo";
    MEMORY_CMATOTAL_BYTES Gauge "node_memory_CmaTotal_bytes" []
        "CmaTotal of the whole machine." from "/proc/meminfo";
    MEMORY_CMAFREE_BYTES Gauge "node_memory_CmaFree_bytes" []
        "CmaFree of the whole machine." from "/proc/meminfo";
    MEMORY_UNACCEPTED_BYTES Gauge "node_memory_Unaccepted_bytes" []
        "Unaccepted of the whole machine." from "/proc/meminfo";
    MEMORY_BALLOON_BYTES Gauge "node_memory_Balloon_bytes" []
        "Balloon of the whole machine." from "/proc/meminfo";
    MEMORY_GPUACTIVE_BYTES Gauge "node_memory_GPUActive_bytes" []
        "GPUActive of the whole machine." from "/proc/meminfo";
    MEMORY_GPURECLAIM_BYTES Gauge "node_memory_GPUReclaim_bytes" []
        "GPUReclaim of the whole machine." from "/proc/meminfo";
    MEMORY_HUGEPAGES_TOTAL Gauge "node_memory_HugePages_Total" []
        "HugePages_Total of the whole machine." from "/proc/meminfo";
    MEMORY_HUGEPAGES_FREE Gauge "node_memory_HugePages_Free" []
        "HugePages_Free of the whole machine." from "/proc/meminfo";
    MEMORY_HUGEPAGES_RSVD Gauge "node_memory_HugePages_Rsvd" []
        "HugePages_Rsvd of the whole machine." from "/proc/meminfo";
    MEMORY_HUGEPAGES_SURP Gauge "node_memory_HugePages_Surp" []
        "HugePages_Surp of the whole machine." from "/proc/meminfo";
    MEMORY_HUGEPAGESIZE_BYTES Gauge "node_memory_Hugepagesize_bytes" []
        "Hugepagesize of the whole machine." from "/proc/meminfo";
    MEMORY_HUGETLB_BYTES Gauge "node_memory_Hugetlb_bytes" []
        "Hugetlb of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP4K_BYTES Gauge "node_memory_DirectMap4k_bytes" []
        "DirectMap4k of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP64K_BYTES Gauge "node_memory_DirectMap64k_bytes" []
        "DirectMap64k of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP1M_BYTES Gauge "node_memory_DirectMap1M_bytes" []
        "DirectMap1M of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP2M_BYTES Gauge "node_memory_DirectMap2M_bytes" []
        "DirectMap2M of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP4M_BYTES Gauge "node_memory_DirectMap4M_bytes" []
        "DirectMap4M of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP1G_BYTES Gauge "node_memory_DirectMap1G_bytes" []
        "DirectMap1G of the whole machine." from "/proc/meminfo";
    MEMORY_DIRECTMAP2G_BYTES Gauge "node_memory_DirectMap2G_bytes" []
        "DirectMap2G of the whole machine." from "/proc/meminfo";
}
