//! Names of node_exporter's `meminfo_numa`: lines of `nodeN/meminfo` in bytes or pages, and `numastat`.

facts::families! {
    MEMORY_NUMA_MEMTOTAL Gauge "node_memory_numa_MemTotal" ["node"]
        "MemTotal of a NUMA node." from "sysfs node";
    MEMORY_NUMA_MEMFREE Gauge "node_memory_numa_MemFree" ["node"]
        "MemFree of a NUMA node." from "sysfs node";
    MEMORY_NUMA_MEMUSED Gauge "node_memory_numa_MemUsed" ["node"]
        "MemUsed of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SWAPCACHED Gauge "node_memory_numa_SwapCached" ["node"]
        "SwapCached of a NUMA node." from "sysfs node";
    MEMORY_NUMA_ACTIVE Gauge "node_memory_numa_Active" ["node"]
        "Active of a NUMA node." from "sysfs node";
    MEMORY_NUMA_INACTIVE Gauge "node_memory_numa_Inactive" ["node"]
        "Inactive of a NUMA node." from "sysfs node";
    MEMORY_NUMA_ACTIVE_ANON Gauge "node_memory_numa_Active_anon" ["node"]
        "Active(anon) of a NUMA node." from "sysfs node";
    MEMORY_NUMA_INACTIVE_ANON Gauge "node_memory_numa_Inactive_anon" ["node"]
        "Inactive(anon) of a NUMA node." from "sysfs node";
    MEMORY_NUMA_ACTIVE_FILE Gauge "node_memory_numa_Active_file" ["node"]
        "Active(file) of a NUMA node." from "sysfs node";
    MEMORY_NUMA_INACTIVE_FILE Gauge "node_memory_numa_Inactive_file" ["node"]
        "Inactive(file) of a NUMA node." from "sysfs node";
    MEMORY_NUMA_UNEVICTABLE Gauge "node_memory_numa_Unevictable" ["node"]
        "Unevictable of a NUMA node." from "sysfs node";
    MEMORY_NUMA_MLOCKED Gauge "node_memory_numa_Mlocked" ["node"]
        "Mlocked of a NUMA node." from "sysfs node";
    MEMORY_NUMA_HIGHTOTAL Gauge "node_memory_numa_HighTotal" ["node"]
        "HighTotal of a NUMA node." from "sysfs node";
    MEMORY_NUMA_HIGHFREE Gauge "node_memory_numa_HighFree" ["node"]
        "HighFree of a NUMA node." from "sysfs node";
    MEMORY_NUMA_LOWTOTAL Gauge "node_memory_numa_LowTotal" ["node"]
        "LowTotal of a NUMA node." from "sysfs node";
    MEMORY_NUMA_LOWFREE Gauge "node_memory_numa_LowFree" ["node"]
        "LowFree of a NUMA node." from "sysfs node";
    MEMORY_NUMA_DIRTY Gauge "node_memory_numa_Dirty" ["node"]
        "Dirty of a NUMA node." from "sysfs node";
    MEMORY_NUMA_WRITEBACK Gauge "node_memory_numa_Writeback" ["node"]
        "Writeback of a NUMA node." from "sysfs node";
    MEMORY_NUMA_FILEPAGES Gauge "node_memory_numa_FilePages" ["node"]
        "FilePages of a NUMA node." from "sysfs node";
    MEMORY_NUMA_MAPPED Gauge "node_memory_numa_Mapped" ["node"]
        "Mapped of a NUMA node." from "sysfs node";
    MEMORY_NUMA_ANONPAGES Gauge "node_memory_numa_AnonPages" ["node"]
        "AnonPages of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SHMEM Gauge "node_memory_numa_Shmem" ["node"]
        "Shmem of a NUMA node." from "sysfs node";
    MEMORY_NUMA_KERNELSTACK Gauge "node_memory_numa_KernelStack" ["node"]
        "KernelStack of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SHADOWCALLSTACK Gauge "node_memory_numa_ShadowCallStack" ["node"]
        "ShadowCallStack of a NUMA node." from "sysfs node";
    MEMORY_NUMA_PAGETABLES Gauge "node_memory_numa_PageTables" ["node"]
        "PageTables of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SECPAGETABLES Gauge "node_memory_numa_SecPageTables" ["node"]
        "SecPageTables of a NUMA node." from "sysfs node";
    MEMORY_NUMA_NFS_UNSTABLE Gauge "node_memory_numa_NFS_Unstable" ["node"]
        "NFS_Unstable of a NUMA node." from "sysfs node";
    MEMORY_NUMA_BOUNCE Gauge "node_memory_numa_Bounce" ["node"]
        "Bounce of a NUMA node." from "sysfs node";
    MEMORY_NUMA_WRITEBACKTMP Gauge "node_memory_numa_WritebackTmp" ["node"]
        "WritebackTmp of a NUMA node." from "sysfs node";
    MEMORY_NUMA_KRECLAIMABLE Gauge "node_memory_numa_KReclaimable" ["node"]
        "KReclaimable of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SLAB Gauge "node_memory_numa_Slab" ["node"]
        "Slab of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SRECLAIMABLE Gauge "node_memory_numa_SReclaimable" ["node"]
        "SReclaimable of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SUNRECLAIM Gauge "node_memory_numa_SUnreclaim" ["node"]
        "SUnreclaim of a NUMA node." from "sysfs node";
    MEMORY_NUMA_ANONHUGEPAGES Gauge "node_memory_numa_AnonHugePages" ["node"]
        "AnonHugePages of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SHMEMHUGEPAGES Gauge "node_memory_numa_ShmemHugePages" ["node"]
        "ShmemHugePages of a NUMA node." from "sysfs node";
    MEMORY_NUMA_SHMEMPMDMAPPED Gauge "node_memory_numa_ShmemPmdMapped" ["node"]
        "ShmemPmdMapped of a NUMA node." from "sysfs node";
    MEMORY_NUMA_FILEHUGEPAGES Gauge "node_memory_numa_FileHugePages" ["node"]
        "FileHugePages of a NUMA node." from "sysfs node";
    MEMORY_NUMA_FILEPMDMAPPED Gauge "node_memory_numa_FilePmdMapped" ["node"]
        "FilePmdMapped of a NUMA node." from "sysfs node";
    MEMORY_NUMA_UNACCEPTED Gauge "node_memory_numa_Unaccepted" ["node"]
        "Unaccepted of a NUMA node." from "sysfs node";
    MEMORY_NUMA_BALLOON Gauge "node_memory_numa_Balloon" ["node"]
        "Balloon of a NUMA node." from "sysfs node";
    MEMORY_NUMA_GPUACTIVE Gauge "node_memory_numa_GPUActive" ["node"]
        "GPUActive of a NUMA node." from "sysfs node";
    MEMORY_NUMA_GPURECLAIM Gauge "node_memory_numa_GPUReclaim" ["node"]
        "GPUReclaim of a NUMA node." from "sysfs node";
    MEMORY_NUMA_HUGEPAGES_TOTAL Gauge "node_memory_numa_HugePages_Total" ["node"]
        "HugePages_Total of a NUMA node." from "sysfs node";
    MEMORY_NUMA_HUGEPAGES_FREE Gauge "node_memory_numa_HugePages_Free" ["node"]
        "HugePages_Free of a NUMA node." from "sysfs node";
    MEMORY_NUMA_HUGEPAGES_SURP Gauge "node_memory_numa_HugePages_Surp" ["node"]
        "HugePages_Surp of a NUMA node." from "sysfs node";
    MEMORY_NUMA_NUMA_HIT_TOTAL Counter "node_memory_numa_numa_hit_total" ["node"]
        "numa_hit of a NUMA node." from "numastat";
    MEMORY_NUMA_NUMA_MISS_TOTAL Counter "node_memory_numa_numa_miss_total" ["node"]
        "numa_miss of a NUMA node." from "numastat";
    MEMORY_NUMA_NUMA_FOREIGN_TOTAL Counter "node_memory_numa_numa_foreign_total" ["node"]
        "numa_foreign of a NUMA node." from "numastat";
    MEMORY_NUMA_INTERLEAVE_HIT_TOTAL Counter "node_memory_numa_interleave_hit_total" ["node"]
        "interleave_hit of a NUMA node." from "numastat";
    MEMORY_NUMA_LOCAL_NODE_TOTAL Counter "node_memory_numa_local_node_total" ["node"]
        "local_node of a NUMA node." from "numastat";
    MEMORY_NUMA_OTHER_NODE_TOTAL Counter "node_memory_numa_other_node_total" ["node"]
        "other_node of a NUMA node." from "numastat";
}
